"""The log of what the topics hold."""

import time
from typing import Any

import msgspec
import numpy as np
import pytest

from stream_app import schemas
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.messages.message import Record
from stream_app.messages.vectors import pack
from stream_app.schemas import Analysis, Behaviour, Item, ItemVector
from stream_app.schemas.records import Source
from stream_app.settings import Settings, load
from stream_app.training.recommender import history
from stream_app.training.recommender.log import LogError

DIMENSIONS = 2
VECTOR = pack(np.array([1.0, 0.0], np.float32))


def analysis(number: int, item: str | None, intensity: float, **changes: Any) -> Record:
    value = Analysis(
        f"r{number}", "u1", "text", "en", "positive", {}, intensity, [], "m", 1000.0 + number,
        Source("reviews", 0, number), VECTOR, item,
    )  # fmt: skip
    return Record("analyses", b"u1", schemas.encode(msgspec.structs.replace(value, **changes)))


def behaviour(user: str, item: str, event: str | None = None, time: float | None = None) -> Record:
    value = Behaviour(user, item, "purchase", event, time)
    return Record("behaviours", user.encode(), schemas.encode(value))


def settings_of(broker: EmbeddedBroker, prefix: str) -> Settings:
    return load(broker=broker.bootstrap, prefix=prefix, idempotent=False, fetch_wait_ms=100)


async def kept(broker: EmbeddedBroker, prefix: str, sent: list[Record]) -> history.TopicLog:
    """What training reads of new topics that hold these messages."""
    settings = settings_of(broker, prefix)
    await administration.create(settings)
    await send_all(settings, sent, lambda _: None)
    return await history.read(settings, DIMENSIONS)


async def test_reviews_behaviours_and_items_become_a_log(embedded_broker: EmbeddedBroker) -> None:
    sent = [
        analysis(1, "a", 0.9), analysis(2, "b", -0.8), analysis(3, None, 0.5),
        analysis(1, "a", 0.9),
        behaviour("u2", "b", "e1"), behaviour("u2", "b", "e1"), behaviour("u2", "b", "e2"),
        *(
            Record("item-vectors", i.encode(), schemas.encode(ItemVector(Item(i, i), VECTOR, "m")))
            for i in "abc"
        ),
        Record("item-vectors", b"c", None),
    ]  # fmt: skip
    before = time.time()
    log, items, refused = await kept(embedded_broker, "history-", sent)
    assert [(i.user, i.item, i.kind) for i in log.interactions] == [
        ("u1", "a", "review"), ("u1", "b", "review"), ("u2", "b", "purchase"),
        ("u2", "b", "purchase"),
    ]  # fmt: skip
    assert log.positive.tolist() == [True, False, True, True]
    assert log.interactions[0].vector == VECTOR
    # Without a time of its own an event has that of its message.
    assert before - 1 <= log.time[-1] <= time.time() + 1
    assert items.keys() == {"a", "b"}
    assert refused == 0


async def test_what_the_worker_refuses_is_not_trained_on(embedded_broker: EmbeddedBroker) -> None:
    later = time.time() + 10 * 86_400
    longer = pack(np.zeros(3, np.float32))
    sent = [
        analysis(1, "a", 0.9),
        analysis(2, "b", 0.9, vector=longer),
        analysis(3, "b", 0.9, vector="not base64"),
        analysis(4, "b", 0.9, user_id="somebody else"),
        Record("analyses", b"u1", b"not json"),
        Record("analyses", b"u1", None),
        behaviour("u2", "a", "e1"),
        behaviour("u2", "b", "e2", later),
        behaviour("", "b", "e3"),
        behaviour("u2", " ", "e4"),
        Record("behaviours", b"u2", schemas.encode(Behaviour("u9", "b", "view", "e5"))),
        Record("behaviours", b"u2", b'{"user_id": "u2", "item_id": "b", "kind": "glance"}'),
        Record("behaviours", b"u2", None),
        Record("item-vectors", b"a", schemas.encode(ItemVector(Item("a", "a"), VECTOR, "m"))),
        Record("item-vectors", b"b", schemas.encode(ItemVector(Item("b", "b"), longer, "m"))),
        Record("item-vectors", b"c", b"not json"),
        Record("item-vectors", b"\xff", None),
    ]
    log, items, refused = await kept(embedded_broker, "refused-", sent)
    assert [(i.user, i.item) for i in log.interactions] == [("u1", "a"), ("u2", "a")]
    assert items.keys() == {"a"}
    assert refused == len(sent) - 3


async def test_events_of_one_second_are_kept_in_the_order_in_which_they_came(
    embedded_broker: EmbeddedBroker,
) -> None:
    sent = [
        behaviour("u1", "z", time=5.0), behaviour("u1", "z", time=5.0),
        behaviour("u1", "a", time=5.0),
        # An id is the user's: another's event of the same id is another event.
        behaviour("u1", "m", "e1", 5.0), behaviour("u2", "m", "e1", 5.0),
        # Of a repeated id the first counts.
        behaviour("u1", "b", "e1", 1.0),
    ]  # fmt: skip
    log, _, _ = await kept(embedded_broker, "second-", sent)
    assert [(i.user, i.item, i.time) for i in log.interactions] == [
        ("u1", "z", 5.0), ("u1", "z", 5.0), ("u1", "a", 5.0), ("u1", "m", 5.0), ("u2", "m", 5.0),
    ]  # fmt: skip
    assert np.all(np.diff([i.order for i in log.interactions if i.user == "u1"]) > 0)


async def test_empty_topics_are_said_so(embedded_broker: EmbeddedBroker) -> None:
    settings = settings_of(embedded_broker, "nothing-")
    await administration.create(settings)
    with pytest.raises(LogError, match="hold nothing"):
        await history.read(settings, DIMENSIONS)
