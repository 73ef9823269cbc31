"""Sending: in order, and done only when the broker has confirmed."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from stream_app.delivery.dead import origin
from stream_app.delivery.message import Record
from stream_app.delivery.ownership import TOKEN
from stream_app.identity import partition
from stream_app.ops import metrics
from stream_app.settings import Settings, security
from stream_app.topics import LARGE, full_name

MAX_REQUEST = LARGE + 1024 * 1024
MAX_BATCH = 256 * 1024
"""Bytes of one partition that are sent at once. Batches of a partition go one after the other, so
by the default of 16 KiB what a processor leads to would take dozens of round trips."""


class Change(NamedTuple):
    """A table's record for its changelog."""

    topic: str
    """Full name."""
    partition: int
    key: bytes
    value: bytes
    token: int
    """Its writer's; 0: none."""


class Outbox:
    """One producer for all that a worker sends.

    Idempotent where the broker can: retries then never reorder, so that a later message of a
    partition is not stored without the earlier ones.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._begun: set[asyncio.Task[None]] = set()
        self.stopped = False
        """Whether the worker is ending: what it has not begun to send comes again."""

    async def start(self) -> None:
        """Connect, once however often it is called. Must run on the loop that will send."""
        async with self._starting:
            if self._producer is not None:
                return
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.broker,
                acks="all",
                enable_idempotence=self._settings.idempotent,
                linger_ms=self._settings.linger_ms,
                max_batch_size=MAX_BATCH,
                max_request_size=MAX_REQUEST,
                **security(self._settings),
            )
            await producer.start()
            self._producer = producer

    def begin(self, delivery: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Outputs and then state: once begun, it ends before the worker does, whatever else fails
        or is cancelled."""
        task = asyncio.create_task(delivery)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return task

    async def settled(self, seconds: float | None = None) -> None:
        """Wait for what has begun, for so long at most."""
        if self._begun:
            await asyncio.wait(self._begun, timeout=seconds)

    async def stop(self) -> None:
        """Send what has begun and disconnect."""
        self.stopped = True
        await self.settled()
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def deliver(self, records: Sequence[Record]) -> None:
        """Send all, wait until each is stored. Raises KafkaError."""
        assert self._producer is not None
        futures = []
        for record in records:
            if record.topic == "dead-letters":
                metrics.DEAD.labels(*origin(record)).inc()
            futures.append(
                await self._producer.send(
                    full_name(self._settings, record.topic),
                    record.value,
                    key=record.key,
                    partition=self._partition(record.key),
                    headers=list(record.headers),
                )
            )
        await asyncio.gather(*futures)

    async def append(self, changes: Sequence[Change]) -> list[int]:
        """Send changelog records, wait until each is stored; their offsets. Raises KafkaError."""
        assert self._producer is not None
        futures = [
            await self._producer.send(
                change.topic,
                change.value,
                key=change.key,
                partition=change.partition,
                headers=[(TOKEN, str(change.token).encode())],
            )
            for change in changes
        ]
        return [stored.offset for stored in await asyncio.gather(*futures)]

    def _partition(self, key: bytes | None) -> int | None:
        # Left to itself the producer lists all partitions anew for every record.
        return None if key is None else partition(key, self._settings.partitions)
