"""Workers as the user starts them, and what they left on the broker."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from stream_app.broker import Broker
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.delivery.ownership import CLAIM_KEY, token
from stream_app.messages import topics
from stream_app.messages.topics import CONSUMED, LARGE, full_name
from stream_app.settings import Settings, environment, load, security


def settings_for(broker: Broker, name: str) -> Settings:
    """Settings of an app of its own on a broker, within what that can."""
    settings = load(
        environ={}, broker=broker.bootstrap, app=name, prefix=f"{name}.", session_timeout=6.0
    )
    if isinstance(broker, EmbeddedBroker):
        settings = msgspec.structs.replace(settings, idempotent=False, fetch_wait_ms=100)
    return settings


class WorkerProcess:
    """One `stream-app worker`, or another `module`; `within`: a command that runs it."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        name: str,
        module: str = "stream_app",
        within: Sequence[str] = (),
    ) -> None:
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self._settings = msgspec.structs.replace(settings, data_dir=str(self.data))
        self._command = [*within, sys.executable, "-m", module, "worker"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it joins the group by itself."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=dict(os.environ) | environment(self._settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ended(self) -> int | None:
        """The exit code, of one that has ended."""
        return None if self._process is None else self._process.poll()

    def delete_state(self) -> None:
        """Delete its local tables."""
        shutil.rmtree(self.data)

    def terminate(self) -> int:
        """SIGTERM; its exit code, which is the signal's where it was still starting."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(30)
        finally:
            self._process.kill()

    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll() if self._process else None

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


async def until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait for an awaitable condition; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.2)


async def lag(settings: Settings) -> int:
    """Messages that the group has not committed, over all inputs."""
    names = [full_name(settings, name) for name in CONSUMED]
    partitions = [TopicPartition(n, p) for n in names for p in range(settings.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, **security(settings))
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker, **security(settings))
    await consumer.start()
    await admin.start()
    try:
        # Committed first: what a committed input led to is then within the ends.
        try:
            committed = await admin.list_consumer_group_offsets(settings.app)
        except GroupCoordinatorNotAvailableError:
            committed = {}  # nobody has joined a group on this broker yet
        ends = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
        await admin.close()
    done = {tp: max(committed[tp].offset, 0) if tp in committed else 0 for tp in partitions}
    return sum(ends[tp] - done[tp] for tp in partitions)


async def drained(
    settings: Settings, workers: Sequence[WorkerProcess], seconds: float, what: str = "all inputs"
) -> None:
    """Wait until everything is committed, by workers that live."""

    async def none_left() -> bool:
        assert all(worker.alive() for worker in workers), [worker.said() for worker in workers]
        return await lag(settings) == 0

    await until(none_left, seconds, f"{what} committed")


async def read_all(settings: Settings, name: str) -> list[Any]:
    """Every message of a topic, by full name, from the beginning to the end as of now."""
    partitions = [TopicPartition(name, p) for p in range(settings.partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker, max_partition_fetch_bytes=LARGE, **security(settings)
    )
    await consumer.start()
    found: list[Any] = []
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(messages)
    finally:
        await consumer.stop()
    return found


async def newest(settings: Settings, name: str) -> dict[str, bytes]:
    """The last value of every key of a topic, by full name."""
    return {m.key.decode(): m.value for m in await read_all(settings, name)}


async def table(settings: Settings, name: str) -> dict[str, bytes]:
    """A table as its changelog holds it, to who passes over what is stale."""
    values: dict[str, bytes] = {}
    highest: dict[int, int] = {}
    for record in await read_all(settings, topics.changelog(settings, name)):
        its = token(record.headers)
        if its >= highest.get(record.partition, 0):
            highest[record.partition] = its
            if record.value is None:
                values.pop(record.key.decode(), None)
            else:
                values[record.key.decode()] = record.value
    values.pop(CLAIM_KEY.decode(), None)
    return values
