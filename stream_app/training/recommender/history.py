"""What the topics hold, as a log: analyses and behaviours, and the items with their embeddings."""

import time as clock
from collections.abc import AsyncIterator
from typing import NamedTuple

from stream_app import schemas
from stream_app.delivery.broadcast import from_beginning
from stream_app.messages.identity import hash64
from stream_app.messages.message import Message
from stream_app.messages.vectors import unpack
from stream_app.processors.validity import valid_analysis, valid_behaviour
from stream_app.schemas import Invalid, ItemVector
from stream_app.settings import Settings
from stream_app.training.recommender.log import Interaction, Log, LogError, log_of


class TopicLog(NamedTuple):
    """What the topics hold."""

    log: Log
    items: dict[str, ItemVector]
    """By id."""
    refused: int
    """Messages left out, as the worker left them out."""


async def read(settings: Settings, dimensions: int) -> TopicLog:
    """All that the topics hold now; `dimensions`: of the serving bundle's embeddings.

    What is valid, which of two events has been there before and which of one second came first is
    decided as for the users' records. Raises LogError where there is nothing, KafkaError.
    """
    found = _Collector(settings, dimensions)
    for topic, add in (
        ("analyses", found.analysis),
        ("behaviours", found.behaviour),
        ("item-vectors", found.item),
    ):
        async for message in _messages(settings, topic):
            try:
                add(message)
            except Invalid:
                found.refused += 1
    if not found.events:
        raise LogError("the topics analyses and behaviours hold nothing about items yet")
    return TopicLog(log_of(found.events.values()), found.items, found.refused)


class _Collector:
    """Gathers the messages of the topics; each method raises Invalid for one that is not valid."""

    def __init__(self, settings: Settings, dimensions: int) -> None:
        self._partitions = settings.partitions
        self._future = settings.future_seconds
        self._dimensions = dimensions
        self.events: dict[tuple[str, str, int], Interaction] = {}
        """By kind of message, user and hash of the event's id, of which the first counts."""
        self.items: dict[str, ItemVector] = {}
        self.refused = 0

    def _received(self, message: Message) -> float | None:
        """When a message came: what was in the future then is no better for having waited."""
        return min(message.time, clock.time()) if message.time > 0 else None

    def analysis(self, message: Message) -> None:
        found = valid_analysis(
            message, self._partitions, self._dimensions, self._future, self._received(message)
        )
        if found.item_id is not None:
            event = Interaction(
                found.time, found.user_id, found.item_id, found.stars,
                intensity=found.intensity, vector=found.vector,
                order=found.source.offset, id=hash64(found.id),
            )  # fmt: skip
            self._add("analysis", event)

    def behaviour(self, message: Message) -> None:
        found, time = valid_behaviour(
            message, self._partitions, self._future, self._received(message)
        )
        event = hash64(found.event_id or f"{message.source}/{message.offset}")
        self._add(
            "behaviour",
            Interaction(
                time, found.user_id, found.item_id, kind=found.kind, order=message.offset, id=event
            ),
        )

    def item(self, message: Message) -> None:
        if message.value is not None:
            entry = schemas.decode(message.value, ItemVector)
            unpack(entry.vector, self._dimensions)
            self.items[entry.item.item_id] = entry
            return
        try:
            self.items.pop((message.key or b"").decode(), None)
        except UnicodeDecodeError:
            raise Invalid("the message key is not UTF-8") from None

    def _add(self, kind: str, event: Interaction) -> None:
        self.events.setdefault((kind, event.user, event.id), event)


async def _messages(settings: Settings, topic: str) -> AsyncIterator[Message]:
    """Every message that a topic holds now."""
    async with from_beginning(settings, topic) as (consumer, ends):
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            found = await consumer.getmany(timeout_ms=settings.fetch_wait_ms)
            for messages in found.values():
                for message in messages:
                    yield Message(
                        topic, message.partition, message.offset, message.key, message.value,
                        tuple(message.headers), message.timestamp / 1000,
                    )  # fmt: skip
