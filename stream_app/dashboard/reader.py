"""Reads the output topics into the state: without a group, from the recent past on."""

import asyncio
import logging
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from stream_app.broker import BrokerError
from stream_app.dashboard.state import DashboardState
from stream_app.delivery import administration
from stream_app.delivery.consumer import standalone_consumer
from stream_app.messages.message import Message
from stream_app.messages.topics import BY_NAME, full_name
from stream_app.settings import Settings
from stream_app.text.mask import Masker

log = logging.getLogger(__name__)

NEEDED = ("analyses", "recommendations", "alerts", "trends")
WANTED = ("acknowledgements", "dead-letters")
"""Left out where the broker does not let us."""
AT_ONCE = 500
BETWEEN = 50
"""Messages counted between two turns of the pages: some 3 ms of work."""
SILENT = 5.0
"""Seconds without an answer of the broker after which the page says so."""
AGAIN = 2.0


class Reader:
    """Keeps a state up to date. After a failure it begins a new one: nothing is counted twice."""

    def __init__(self, settings: Settings, masker: Masker) -> None:
        self._settings = settings
        self._masker = masker
        self._denied: set[str] = set()
        self.state = DashboardState(masker)
        self.known: frozenset[str] = frozenset()
        """Topics, by our names, that the broker lets us know of."""
        self.lag = 0
        """Messages that are stored and not read yet."""
        self.since = self._begin()
        """From when on messages are counted, seconds since the epoch."""
        self.answered_at = 0.0
        """When the broker last answered, seconds since the epoch."""

    @property
    def live(self) -> bool:
        """Whether the broker answers."""
        return time.time() - self.answered_at < SILENT

    def reads(self, topic: str) -> bool:
        """Whether a topic is read: it is there, and we may."""
        return topic in self.known and topic not in self._denied

    async def check(self) -> dict[str, int]:
        """Partitions of each topic that can be read. Raises BrokerError, KafkaError."""
        # A consumer would wait for ever for a topic that it may not know of: ask first.
        counts = await administration.partitions(self._settings)
        by_name = {name: counts[full_name(self._settings, name)] for name in BY_NAME}
        self.known = frozenset(name for name, count in by_name.items() if count)
        if missing := [name for name in NEEDED if not self.reads(name)]:
            raise BrokerError(
                f"no topic {', '.join(missing)}, or no right to read it: run `stream-app topics "
                "create`, or give the rights that `stream-app acls dashboard` prints"
            )
        return {name: by_name[name] for name in (*NEEDED, *WANTED) if self.reads(name)}

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read(await self.check())
            except TopicAuthorizationFailedError as error:
                # To know of a topic is not to read it.
                self._denied |= {n for n in WANTED if full_name(self._settings, n) in error.args}
                log.warning("may not read: %s", error)
                await asyncio.sleep(AGAIN)
            except (KafkaError, BrokerError, OSError) as error:
                log.warning("reading again in %g s: %s", AGAIN, error)
                await asyncio.sleep(AGAIN)

    async def _read(self, counts: dict[str, int]) -> None:
        async with standalone_consumer(self._settings) as consumer:
            names = {full_name(self._settings, name): name for name in counts}
            partitions = [
                TopicPartition(full, number)
                for full, name in names.items()
                for number in range(counts[name])
            ]
            consumer.assign(partitions)
            await self._seek(consumer, partitions, names)
            self.state = DashboardState(self._masker)
            while True:
                found = await consumer.getmany(
                    timeout_ms=self._settings.fetch_wait_ms, max_records=AT_ONCE
                )
                messages = [message for batch in found.values() for message in batch]
                # Side by side as they happened: a list seldom before the review that it has.
                messages.sort(key=lambda message: message.timestamp)
                for begin in range(0, len(messages), BETWEEN):
                    for message in messages[begin : begin + BETWEEN]:
                        self.state.apply(_message(message, names), time.time())
                    await asyncio.sleep(0)  # the pages' turn
                await self._measure(consumer, partitions)

    async def _seek(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], names: dict[str, str]
    ) -> None:
        """Compacted topics and acknowledgements from their beginning, the others from the recent
        past on (`dashboard_hours`)."""
        self.since = self._begin()
        recent = [tp for tp in partitions if not _from_beginning(names[tp.topic])]
        await consumer.seek_to_beginning(
            *(tp for tp in partitions if _from_beginning(names[tp.topic]))
        )
        found = await consumer.offsets_for_times({tp: int(self.since * 1000) for tp in recent})
        ends = await consumer.end_offsets(recent)
        for tp in recent:
            place = found.get(tp)
            # The embedded broker answers with a time of −1 where there is no later message.
            none = place is None or place.timestamp < 0
            consumer.seek(tp, ends[tp] if none else place.offset)

    def _begin(self) -> float:
        return time.time() - 3600 * self._settings.dashboard_hours

    async def _measure(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        ends = {tp: consumer.highwater(tp) for tp in partitions}
        known = [end - await consumer.position(tp) for tp, end in ends.items() if end is not None]
        self.lag = sum(max(left, 0) for left in known)
        self.answered_at = max(consumer.last_poll_timestamp(tp) or 0 for tp in partitions) / 1000


def _from_beginning(name: str) -> bool:
    return BY_NAME[name].compacted or name == "acknowledgements"


def _message(got: Any, names: dict[str, str]) -> Message:
    return Message(
        names[got.topic], got.partition, got.offset, got.key, got.value, tuple(got.headers),
        got.timestamp / 1000,
    )  # fmt: skip
