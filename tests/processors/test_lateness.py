"""Windows are judged when they are closed: by event time, and not before late events may come."""

import json
import random
from collections.abc import Callable
from typing import Literal

import pytest

from stream_app import profiles, schemas
from stream_app.messages.identity import partition
from stream_app.messages.message import Message
from stream_app.pipeline import Pipeline
from stream_app.processors.watch import Watch
from stream_app.schemas import Signal, Signals

HOUR = 3600.0
NOON = 450_000 * HOUR
SUBJECT = "item:p-1"


class Feed:
    """A watch of one subject."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._state: bytes | None = None
        self._offset = 0

    def reviews(self, time: float, count: int, sentiment: Literal[-1, 0, 1]) -> list[str]:
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


@pytest.fixture(scope="module")
def watch(new_pipeline: Callable[[], Pipeline]) -> Watch:
    surge = profiles.load("shop").surge
    assert surge.window_seconds == surge.lateness_seconds == HOUR
    return new_pipeline().watch


def test_a_surge_is_told_when_its_window_can_get_no_more_events(watch: Watch) -> None:
    feed = Feed(watch)
    for hour in range(24):
        assert feed.reviews(NOON + hour * HOUR, 6, +1) == []
    assert feed.reviews(NOON + 24 * HOUR, 12, -1) == []
    assert feed.reviews(NOON + 25.9 * HOUR, 1, +1) == []
    assert feed.reviews(NOON + 26.1 * HOUR, 1, +1) == ["surge_begun"]
    # Its state is only there because its alert was stored before; the trend says the same again.
    (again,) = feed.again()
    assert again[0] == "trends" and json.loads(again[1])["surge"] is not None


def test_what_is_announced_does_not_depend_on_where_batches_end(watch: Watch) -> None:
    """Of a subject with many negative reviews the judgement of old surges changes as the ring
    moves on: each of its steps must be seen."""
    draw = random.Random(5)
    entries = []
    for number in range(4000):
        hour = number / 10
        sentiment: Literal[-1, 1] = (
            -1 if draw.random() < (0.85 if int(hour) % 40 < 3 else 0.45) else 1
        )
        time = NOON + hour * HOUR
        entries.append(Signal(number, number, time, float(sentiment), sentiment, 0.0, []))

    def alerts(size: int) -> list[str]:
        state: bytes | None = None
        found: list[str] = []
        for begin in range(0, len(entries), size):
            value = schemas.encode(Signals(SUBJECT, "reviews/0", entries[begin : begin + size]))
            key = SUBJECT.encode()
            message = Message("signals", partition(key, 4), begin, key, value, (), NOON)
            result = watch([message], lambda number, name, state=state: state)  # type: ignore[misc]
            state = result.states[0].value
            found += [
                json.loads(r.value or b"")["id"] for r in result.records if r.topic == "alerts"
            ]
        return found

    told = alerts(1)
    assert len(told) > 10
    assert alerts(7) == alerts(60) == alerts(4000) == told
