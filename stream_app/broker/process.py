"""Child processes that never outlive this one, and the loopback ports they listen on."""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from stream_app.broker import BrokerError

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel hands out source ports (32768 and up on Linux): a broker
# that restarts must find its port free, not taken by some client's outgoing connection.
PORTS = range(20_000, 32_000)

# Asks the kernel to kill us when our parent dies (PR_SET_PDEATHSIG = 1, kept across exec), then
# becomes the command. A preexec_fn would do the same, but is unsafe in a program with threads.
_GUARD = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def spawn(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `command` (an absolute path first), both outputs appended to `log`.

    On Linux the child is killed when the thread that called this ends, however it ends: call it
    from one that lives as long as the child should. Elsewhere only an orderly exit of this
    process ends it. A session of its own keeps Ctrl-C for us, so that we choose the order of
    the shutdown.
    """
    full = list(command)
    if sys.platform == "linux":
        full = [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *full]
    with log.open("ab") as out:
        return subprocess.Popen(
            full,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def end(processes: Sequence[subprocess.Popen[bytes]], grace: float = 0.0) -> None:
    """End all at once: SIGTERM and up to `grace` seconds together, then SIGKILL."""
    deadline = time.monotonic() + grace
    if grace > 0:
        for process in processes:
            process.terminate()
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
    for process in processes:
        process.wait()


def await_ready(ready: Callable[[], bool], check: Callable[[], None], seconds: float) -> None:
    """Poll `ready` until it is true. `check` may raise first; TimeoutError after `seconds`.

    An OSError in `ready` means not yet.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except OSError:
            pass  # nobody listens yet, or the listener is still starting
        check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {seconds:g} s")
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """`count` different loopback ports that nobody listens on. Raises BrokerError."""
    source = random.SystemRandom()  # a seeded test must not give two processes the same ports
    ports: list[int] = []
    with ExitStack() as held:
        for port in source.sample(PORTS, len(PORTS)):
            if len(ports) == count:
                break
            listener = held.enter_context(socket.socket())
            try:
                listener.bind((LOOPBACK, port))
            except OSError:
                continue  # taken
            ports.append(port)
    if len(ports) < count:
        raise BrokerError(f"no {count} free ports between {PORTS.start} and {PORTS.stop}")
    return ports


def require_free(port: int) -> None:
    """Raises BrokerError when something listens on the loopback port already.

    A broker that cannot bind would end, but the readiness probe might reach the other first.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise BrokerError(f"port {port} cannot be used: {error.strerror}") from error


def last_line(log: Path) -> str:
    """The last line written to `log` that is no part of a stack trace, for an error message."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    found = (line for line in reversed(lines) if line.strip() and not line[0].isspace())
    return next(found, "it wrote nothing")
