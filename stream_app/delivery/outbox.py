"""Sending: in order, and done only when the broker has confirmed."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from random import randrange
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from stream_app.messages.dead_letter import error_labels
from stream_app.messages.identity import partition
from stream_app.messages.message import Headers, Record
from stream_app.messages.topics import LARGE, full_name
from stream_app.settings import Settings, security
from stream_app.telemetry import metrics

MAX_REQUEST = LARGE + 1024 * 1024
MAX_BATCH = 256 * 1024
"""Bytes of one partition that are sent at once. Batches of a partition go one after the other, so
with the default of 16 KiB the outputs of one batch would take dozens of round trips."""


class Entry(NamedTuple):
    """A message for one partition."""

    topic: str
    """Full name."""
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


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
        """Start a delivery (outputs, then state) as a task that nobody cancels; the worker ends
        after it, up to a limit."""
        task = asyncio.create_task(delivery)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return task

    async def drain(self, seconds: float | None = None) -> None:
        """Wait until no delivery is under way, `seconds` at most."""
        if self._begun:
            await asyncio.wait(self._begun, timeout=seconds)

    async def stop(self) -> None:
        """Finish the deliveries under way, begin no other, disconnect."""
        self.stopped = True
        await self.drain()
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def deliver(self, records: Sequence[Record]) -> None:
        """Send all, wait until each is stored. Raises KafkaError."""
        entries = []
        for record in records:
            if record.topic == "dead-letters":
                metrics.DEAD.labels(*error_labels(record)).inc()
            topic, number = full_name(self._settings, record.topic), self._partition(record.key)
            entries.append(Entry(topic, number, record.key, record.value, record.headers))
        await self.append(entries)

    async def append(self, entries: Sequence[Entry]) -> list[int]:
        """Send all, wait until each is stored; their offsets, each partition's in the order given.
        Raises KafkaError."""
        places: dict[tuple[str, int], list[int]] = defaultdict(list)
        for row, entry in enumerate(entries):
            places[entry.topic, entry.partition].append(row)
        sent = await asyncio.gather(*(
            self._append_to(*place, [entries[row] for row in rows])
            for place, rows in places.items()
        ))  # fmt: skip
        offsets: dict[int, int] = {}
        for rows, stored in zip(places.values(), sent, strict=True):
            offsets.update(zip(rows, stored, strict=True))
        return [offsets[row] for row in range(len(entries))]

    async def _append_to(self, topic: str, number: int, entries: Sequence[Entry]) -> list[int]:
        """One partition's. The batches are filled here: `send` makes a task's work and a future
        of each message, which costs twice the CPU."""
        assert self._producer is not None
        counts: list[int] = []
        futures = []
        while (begin := sum(counts)) < len(entries):
            batch = self._producer.create_batch()
            for entry in entries[begin:]:
                # The first always fits.
                if batch.append(
                    key=entry.key, value=entry.value, headers=list(entry.headers), timestamp=None
                ) is None:  # fmt: skip
                    break
            counts.append(batch.record_count())
            futures.append(await self._producer.send_batch(batch, topic, partition=number))
        stored = await asyncio.gather(*futures)
        return [
            first.offset + place
            for first, count in zip(stored, counts, strict=True)
            for place in range(count)
        ]

    def _partition(self, key: bytes | None) -> int:
        partitions = self._settings.partitions
        return randrange(partitions) if key is None else partition(key, partitions)
