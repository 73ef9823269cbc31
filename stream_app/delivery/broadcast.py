"""A compacted topic that every worker reads whole: no group, from the beginning, for ever."""

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.settings import Settings, security
from stream_app.topics import LARGE, full_name

Handle = Callable[[bytes | None, bytes | None], None]
"""Takes a message's key and value; None as value: the key was deleted."""


class Broadcast:
    """Feeds every message of a topic to `handle`; `ready` once it has caught up."""

    def __init__(self, settings: Settings, topic: str, handle: Handle) -> None:
        self._settings = settings
        self._topic = full_name(settings, topic)
        self._handle = handle
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled. Raises KafkaError."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.broker,
            fetch_max_wait_ms=self._settings.fetch_wait_ms,
            max_partition_fetch_bytes=LARGE,
            **security(self._settings),
        )
        await consumer.start()
        try:
            partitions = [
                TopicPartition(self._topic, number) for number in range(self._settings.partitions)
            ]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            behind = {tp for tp in partitions if await consumer.position(tp) < ends[tp]}
            while True:
                if not behind:
                    self.ready.set()
                found = await consumer.getmany(timeout_ms=self._settings.fetch_wait_ms)
                for tp, messages in found.items():
                    for message in messages:
                        self._handle(message.key, message.value)
                    if messages[-1].offset + 1 >= ends[tp]:
                        behind.discard(tp)
                # A compacted partition may end before its last offset was ever readable.
                for tp in list(behind):
                    if await consumer.position(tp) >= ends[tp]:
                        behind.discard(tp)
        finally:
            await consumer.stop()
