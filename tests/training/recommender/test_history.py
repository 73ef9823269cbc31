"""The log of what the topics hold."""

import time

import msgspec
import pytest

from stream_app import schemas
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.messages.message import Record
from stream_app.schemas import Analysis, Behaviour, Item, ItemVector
from stream_app.schemas.records import Source
from stream_app.settings import Settings, load
from stream_app.training.recommender import history
from stream_app.training.recommender.log import LogError

VECTOR = "AACAPwAAAAA="


def analysis(number: int, item: str | None, intensity: float) -> Record:
    value = Analysis(
        f"r{number}", "u1", "text", "en", "positive", {}, intensity, [], "m", 1000.0 + number,
        Source("reviews", 0, number), VECTOR, item,
    )  # fmt: skip
    return Record("analyses", b"u1", schemas.encode(value))


def settings_of(broker: EmbeddedBroker, prefix: str) -> Settings:
    return load(broker=broker.bootstrap, prefix=prefix, idempotent=False, fetch_wait_ms=100)


async def test_reviews_behaviours_and_items_become_a_log(embedded_broker: EmbeddedBroker) -> None:
    settings = settings_of(embedded_broker, "history-")
    await administration.create(settings)
    done = Behaviour("u2", "b", "purchase", "e1")
    sent = [
        analysis(1, "a", 0.9), analysis(2, "b", -0.8), analysis(3, None, 0.5),
        analysis(1, "a", 0.9),
        Record("behaviours", b"u2", schemas.encode(done)),
        Record("behaviours", b"u2", schemas.encode(done)),
        Record("behaviours", b"u2", schemas.encode(msgspec.structs.replace(done, event_id="e2"))),
        Record("behaviours", b"u2", b"not json"),
        *(
            Record("item-vectors", i.encode(), schemas.encode(ItemVector(Item(i, i), VECTOR, "m")))
            for i in "abc"
        ),
        Record("item-vectors", b"c", None),
    ]  # fmt: skip
    before = time.time()
    await send_all(settings, sent, lambda _: None)
    log, items = await history.read(settings)
    assert [(i.user, i.item, i.kind) for i in log.interactions] == [
        ("u1", "a", "review"), ("u1", "b", "review"), ("u2", "b", "purchase"),
        ("u2", "b", "purchase"),
    ]  # fmt: skip
    assert log.positive.tolist() == [True, False, True, True]
    assert log.interactions[0].vector == VECTOR
    # Without a time of its own an event has that of its message.
    assert before - 1 <= log.time[-1] <= time.time() + 1
    assert items.keys() == {"a", "b"}


async def test_empty_topics_are_said_so(embedded_broker: EmbeddedBroker) -> None:
    settings = settings_of(embedded_broker, "nothing-")
    await administration.create(settings)
    with pytest.raises(LogError, match="hold nothing"):
        await history.read(settings)
