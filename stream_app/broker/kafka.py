"""Apache Kafka on this machine, one broker or several, without a container engine."""

import atexit
import base64
import fcntl
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from stream_app.broker import Broker, BrokerError, KafkaUnavailable
from stream_app.broker.jars import jars, java
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

__all__ = ["PROPERTIES", "VERSION", "KafkaCluster", "KafkaUnavailable", "properties"]

VERSION = "4.4.0"
SCRAM = "SCRAM-SHA-512"

# What a single broker runs with here and in docker-compose.yml, addresses and folders apart.
PROPERTIES = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    # A misspelt topic is an error, not a new topic with the wrong partitions.
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "10",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "10",
    # A group starts with its first member: workers come one by one anyway.
    "group.initial.rebalance.delay.ms": "0",
    # A dead broker is replaced as leader after this, not after the default 9 s.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
}

_HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
_READY_SECONDS = 120.0
_GRACE_SECONDS = 15.0

_LOGGING = """\
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
"""


class Security(NamedTuple):
    """Clients come by TLS and SCRAM, and may do what an ACL allows; `admin` may do everything."""

    users: Mapping[str, str]
    """Password by name, `admin` among them."""
    key: Path
    """PEM file with the broker's key and its certificate, for 127.0.0.1."""
    authority: Path
    """PEM file with the certificate of who signed it."""


def properties(nodes: int) -> dict[str, str]:
    """PROPERTIES for a cluster of `nodes`: up to three copies of everything, two to accept."""
    copies, accept = str(min(3, nodes)), str(min(2, nodes))
    return PROPERTIES | {
        "default.replication.factor": copies,
        "min.insync.replicas": accept,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": accept,
    }


class KafkaCluster(Broker):
    """Apache Kafka in KRaft mode on this machine; each node is broker and controller.

    `port`: the first node's, a free one when None; the other ports are always chosen.
    `directory`: where nodes keep data and logs, to start again from; a temporary folder, gone
    after `stop()`, when None. Nodes are numbered from 1. `security`: for the clients; the
    controllers talk in plain text among themselves. `host`: address of this machine for the
    clients.
    """

    def __init__(
        self,
        nodes: int = 1,
        version: str = VERSION,
        port: int | None = None,
        directory: Path | None = None,
        security: Security | None = None,
        host: str = LOOPBACK,
    ) -> None:
        if nodes < 1:
            raise ValueError("a cluster has at least one node")
        self.nodes = range(1, nodes + 1)
        self.version = version
        self._port = port
        self._security = security
        self._host = host
        self._kept = directory is not None
        self._directory = directory
        self._ports: dict[int, int] = {}
        self._controllers: dict[int, int] = {}
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._lock: IO[str] | None = None

    @property
    def bootstrap(self) -> str:
        if not self._ports:
            raise BrokerError("Kafka has not been started")
        return ",".join(f"{self._host}:{port}" for port in self._ports.values())

    @property
    def log_dir(self) -> Path:
        """The folder with `node-N/server.log`, `server.properties` and `data` of each node."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="stream-app-kafka-"))
        return self._directory

    def start(self) -> None:
        if self._running:
            raise BrokerError("Kafka is already running")
        self._java, self._jars = java(), jars(self.version)
        self._take_ports()
        self._lock_directory()
        atexit.register(self.stop)
        try:
            self._format()
            for node in self.nodes:
                self._launch(node)
            self._await(self.nodes)
        except BaseException:
            # The folder stays: the error names the log in it.
            self._end(grace=0)
            raise

    def stop(self) -> None:
        self._end(grace=_GRACE_SECONDS if self._kept else 0)
        if not self._kept and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def check(self) -> None:
        for node, process in self._running.items():
            if process.poll() is not None:
                log = self._log_file(node)
                raise BrokerError(f"Kafka node {node} ended: {last_line(log)} (see {log})")

    def kill(self, *nodes: int) -> None:
        """End nodes with SIGKILL; the others notice after `broker.session.timeout.ms`."""
        for node in nodes:
            if node not in self._running:
                raise BrokerError(f"Kafka node {node} is unknown or not running")
        end([self._running.pop(node) for node in nodes])

    def start_node(self, *nodes: int) -> None:
        """Start killed nodes again with their data; returns when they are alive to all others."""
        for node in nodes:
            if node not in self.nodes or node in self._running:
                raise BrokerError(f"Kafka node {node} is unknown or already running")
            self._launch(node)
        self._await(self._running)

    def _launch(self, node: int) -> None:
        logging = self._write(node, "log4j2.properties", _LOGGING)
        command = [str(self._java), *_HEAP, f"-Dlog4j2.configurationFile={logging}"]
        command += ["-cp", f"{self._jars}/*", "kafka.Kafka", str(self._configure(node))]
        self._running[node] = spawn(command, self._log_file(node))

    def _await(self, nodes: range | dict[int, subprocess.Popen[bytes]]) -> None:
        expected = set(nodes)
        try:
            await_ready(
                lambda: all(self._answers(node, expected) for node in nodes),
                self.check,
                _READY_SECONDS,
            )
        except TimeoutError as error:
            raise BrokerError(f"Kafka is {error} (see {self.log_dir})") from error

    def _answers(self, node: int, expected: set[int]) -> bool:
        """Whether a node knows all of them; behind TLS, whether it listens, which it does last."""
        if self._security is None:
            return live_nodes(self._ports[node], self._host) >= expected
        with socket.create_connection((self._host, self._ports[node]), timeout=2):
            return True

    def _lock_directory(self) -> None:
        """Kafka has a lock of its own, but only looks at it after writing to the folder."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        lock = (self.log_dir / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise BrokerError(f"another Kafka runs in {self.log_dir}") from error
        self._lock = lock

    def _take_ports(self) -> None:
        """Chosen once and kept, so that clients find the cluster again after a restart."""
        if self._ports:
            return
        if self._port is not None:
            require_free(self._port)
        count = len(self.nodes)
        free = free_ports(2 * count)
        self._ports = dict(zip(self.nodes, free[:count], strict=True))
        self._controllers = dict(zip(self.nodes, free[count:], strict=True))
        if self._port is not None:
            self._ports[1] = self._port

    def _configure(self, node: int) -> Path:
        client, controller = self._ports[node], self._controllers[node]
        voters = (f"{n}@{LOOPBACK}:{port}" for n, port in self._controllers.items())
        settings = properties(len(self.nodes)) | {
            "node.id": str(node),
            "listeners": f"PLAINTEXT://{self._host}:{client},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self._host}:{client}",
            "controller.quorum.voters": ",".join(voters),
            "log.dirs": str(self._data(node)),
        }
        if self._security is not None:
            settings |= _secured(self._security)
            for name in ("listeners", "advertised.listeners"):
                settings[name] = settings[name].replace("PLAINTEXT:", "SASL_SSL:")
        return self._write(
            node, "server.properties", "".join(f"{k}={v}\n" for k, v in settings.items())
        )

    def _format(self) -> None:
        """Give every node's data folder the cluster's id, where it has none yet."""
        kept = self.log_dir / "cluster.id"
        if not kept.exists():
            kept.write_text(_cluster_id())
        runs: dict[int, subprocess.Popen[bytes]] = {}
        for node in self.nodes:
            if (self._data(node) / "meta.properties").exists():
                continue
            settings = self._configure(node)
            command = [str(self._java), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
            command += ["-cp", f"{self._jars}/*", "kafka.tools.StorageTool", "format"]
            command += ["-t", kept.read_text(), "-c", str(settings)]
            for user, password in (self._security.users if self._security else {}).items():
                command += ["--add-scram", f"{SCRAM}=[name={user},password={password}]"]
            runs[node] = spawn(command, self._log_file(node))
        try:
            for node, run in runs.items():
                if run.wait(_READY_SECONDS) != 0:
                    log = self._log_file(node)
                    raise BrokerError(f"Kafka cannot format {self._data(node)}: {last_line(log)}")
        finally:
            end(list(runs.values()))

    def _end(self, grace: float) -> None:
        atexit.unregister(self.stop)
        end(list(self._running.values()), grace)
        self._running.clear()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _write(self, node: int, name: str, text: str) -> Path:
        path = self.log_dir / f"node-{node}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def _log_file(self, node: int) -> Path:
        return self.log_dir / f"node-{node}" / "server.log"

    def _data(self, node: int) -> Path:
        return self.log_dir / f"node-{node}" / "data"


def _secured(security: Security) -> dict[str, str]:
    """Settings of a node whose clients come by SASL_SSL."""
    login = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.enabled.mechanisms": SCRAM,
        "sasl.mechanism.inter.broker.protocol": SCRAM,
        f"listener.name.sasl_ssl.{SCRAM.lower()}.sasl.jaas.config": (
            f'{login} required username="admin" password="{security.users["admin"]}";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(security.key),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(security.authority),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Nobody but the controllers' own listener is anonymous.
        "super.users": "User:admin;User:ANONYMOUS",
    }


def _cluster_id() -> str:
    """A random UUID as Kafka writes it: 22 characters of URL-safe base64.

    Never with a leading dash, which the format tool would take for an option.
    """
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
