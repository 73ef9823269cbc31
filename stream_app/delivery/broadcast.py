"""Broadcast topics: every worker reads all partitions, from the beginning and for ever, without a
consumer group. What they hold is kept in each worker's memory."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from stream_app.delivery.consumer import standalone_consumer
from stream_app.delivery.upstream.pace import Pace
from stream_app.messages.topics import full_name
from stream_app.schemas import Invalid
from stream_app.settings import Settings
from stream_app.telemetry import metrics

log = logging.getLogger(__name__)

PAUSE = 0.05
"""Seconds between two fetches: many that bring little cost more than few that bring much."""

LOGGED = 10
"""So many skipped messages are named in the log; the metric counts all."""

Handle = Callable[[bytes | None, bytes | None], None]
"""Takes a message's key and value; None as value: the key was deleted."""


@asynccontextmanager
async def from_beginning(
    settings: Settings, topic: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, dict[TopicPartition, int]]]:
    """A consumer without a group at the beginning of a topic, and where each partition ends now.

    Raises KafkaError.
    """
    async with standalone_consumer(settings) as consumer:
        name = full_name(settings, topic)
        partitions = [TopicPartition(name, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        yield consumer, await consumer.end_offsets(partitions)


class Broadcast:
    """Calls `handle` with every message of a topic. `ready` is set when it has come to where the
    topic ended at the start.

    Where `handle` raises Invalid, the message is skipped: every worker reads it, and it must not
    end all of them.
    """

    def __init__(self, settings: Settings, topic: str, handle: Handle) -> None:
        self._settings = settings
        self.topic = topic
        self._handle = handle
        self.ready = asyncio.Event()
        self._skipped = 0

    async def run(self) -> None:
        """Read until cancelled. Raises KafkaError."""
        async with from_beginning(self._settings, self.topic) as (consumer, ends):
            pace = Pace(consumer)
            behind = {tp for tp in ends if await consumer.position(tp) < ends[tp]}
            while True:
                if not behind:
                    self.ready.set()
                    await asyncio.sleep(PAUSE)
                found = await consumer.getmany(timeout_ms=self._settings.fetch_wait_ms)
                pace.observe(bool(found))
                for tp, messages in found.items():
                    for message in messages:
                        self._handle_one(message)
                    if messages[-1].offset + 1 >= ends[tp]:
                        behind.discard(tp)
                # A compacted partition may end before its last offset was ever readable.
                for tp in list(behind):
                    if await consumer.position(tp) >= ends[tp]:
                        behind.discard(tp)

    def _handle_one(self, message: ConsumerRecord) -> None:
        try:
            self._handle(message.key, message.value)
        except Invalid as reason:
            metrics.UNREADABLE.labels(self.topic).inc()
            self._skipped += 1
            if self._skipped <= LOGGED:
                place = f"{message.topic}/{message.partition}, offset {message.offset}"
                log.error("%s is passed over: %s", place, reason)
