"""Windows are judged when they are closed: by event time, and not before late events may come."""

import json

import schemas
from models.batching import Inference
from models.bundle import default_bundle, load
from models.runtime import Model
from schemas import Signal, Signals
from stream_app import profiles
from stream_app import settings as settings_module
from stream_app.delivery.message import Message
from stream_app.identity import partition
from stream_app.pipeline import assemble
from stream_app.processors.watch import Watch

HOUR = 3600.0
NOON = 450_000 * HOUR
SUBJECT = "item:p-1"


class Feed:
    """A watch of one subject."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._state: bytes | None = None
        self._offset = 0

    def reviews(self, time: float, count: int, sentiment: int) -> list[str]:
        """Kinds of the alerts that these reviews lead to."""
        entries = []
        for _ in range(count):
            self._offset += 1
            entries.append(
                Signal(self._offset, self._offset, time, float(sentiment), sentiment, 0.0, [])
            )
        key = SUBJECT.encode()
        value = schemas.encode(Signals(SUBJECT, "reviews/0", entries))
        self._last = Message("signals", partition(key, 4), self._offset, key, value, (), time)
        return [json.loads(value)["kind"] for topic, value in self.again() if topic == "alerts"]

    def again(self) -> list[tuple[str, bytes]]:
        """Topic and value of what the last message leads to when it comes again."""
        result = self._watch([self._last], lambda number, name: self._state)
        (state,) = result.states
        self._state = state.value
        return [(record.topic, record.value or b"") for record in result.records]


def test_a_surge_is_told_when_its_window_can_get_no_more_events() -> None:
    inference = Inference(Model(load(default_bundle())))
    shop = profiles.load("shop")
    assert shop.surge.window_seconds == shop.surge.lateness_seconds == HOUR
    feed = Feed(assemble(settings_module.load(environ={}), shop, inference).watch)
    for hour in range(24):
        assert feed.reviews(NOON + hour * HOUR, 6, +1) == []
    assert feed.reviews(NOON + 24 * HOUR, 12, -1) == []
    assert feed.reviews(NOON + 25.9 * HOUR, 1, +1) == []
    assert feed.reviews(NOON + 26.1 * HOUR, 1, +1) == ["surge_begun"]
    # Its state is only there because its alert was stored before; the trend says the same again.
    (again,) = feed.again()
    assert again[0] == "trends" and json.loads(again[1])["surge"] is not None
    inference.close()
