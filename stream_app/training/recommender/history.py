"""What the topics hold, as a log: analyses and behaviours, and the items with their embeddings."""

from collections.abc import AsyncIterator

from stream_app import schemas
from stream_app.delivery.broadcast import from_beginning
from stream_app.schemas import Analysis, Behaviour, Invalid, ItemVector
from stream_app.settings import Settings
from stream_app.training.recommender.log import Interaction, Log, LogError, log_of


async def read(settings: Settings) -> tuple[Log, dict[str, ItemVector]]:
    """The log of all that is kept, an event that was sent twice once, and the items by id.

    Raises LogError where there is nothing, KafkaError.
    """
    interactions: dict[str, Interaction] = {}
    async for _, value, _ in _messages(settings, "analyses"):
        if value is not None:
            analysis = schemas.decode(value, Analysis)
            if analysis.item_id is not None:
                interactions[f"review {analysis.id}"] = Interaction(
                    analysis.time, analysis.user_id, analysis.item_id, analysis.stars,
                    intensity=analysis.intensity, vector=analysis.vector,
                )  # fmt: skip
    async for _, value, time in _messages(settings, "behaviours"):
        try:
            done = schemas.decode(value, Behaviour)
        except Invalid:
            continue  # it is among the dead letters already
        when = time if done.time is None else done.time
        event = done.event_id or f"{done.user_id} {when} {done.item_id}"
        interactions[f"behaviour {event}"] = Interaction(
            when, done.user_id, done.item_id, kind=done.kind
        )
    items: dict[str, ItemVector] = {}
    async for key, value, _ in _messages(settings, "item-vectors"):
        if value is not None:
            entry = schemas.decode(value, ItemVector)
            items[entry.item.item_id] = entry
        elif key is not None:
            items.pop(key.decode(), None)
    if not interactions:
        raise LogError("the topics analyses and behaviours hold nothing about items yet")
    return log_of(interactions.values()), items


async def _messages(
    settings: Settings, topic: str
) -> AsyncIterator[tuple[bytes | None, bytes | None, float]]:
    """Key, value and time of every message that a topic holds now."""
    async with from_beginning(settings, topic) as (consumer, ends):
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            found = await consumer.getmany(timeout_ms=settings.fetch_wait_ms)
            for messages in found.values():
                for message in messages:
                    yield message.key, message.value, message.timestamp / 1000
