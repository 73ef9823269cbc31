"""Times of events."""

import time

import pytest

from stream_app.processors.validity import event_time
from stream_app.schemas import Invalid


def test_an_event_has_its_own_time_or_that_of_its_message() -> None:
    assert event_time(5.0, 7.0, 60) == 5.0
    assert event_time(None, 7.0, 60) == 7.0
    assert event_time(0.0, -0.001, 60) == 0.0


def test_a_message_without_any_time_is_refused() -> None:
    # A producer that gives no timestamp sends -1 (milliseconds).
    with pytest.raises(Invalid, match="neither the event nor its message"):
        event_time(None, -0.001, 60)


def test_a_time_too_far_ahead_is_refused() -> None:
    now = time.time()
    assert event_time(now + 50, now, 60) == now + 50
    with pytest.raises(Invalid, match="in the future"):
        event_time(now + 70, now, 60)
    with pytest.raises(Invalid, match="milliseconds instead of seconds"):
        event_time(now * 1000, now, 60)
