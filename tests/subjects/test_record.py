"""The subject's record: windows by event time, order without effect, bounds kept."""

import random
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.messages.identity import hash64
from stream_app.schemas import Signal
from stream_app.subjects.record import (
    Counts,
    Fold,
    Subject,
    Windows,
    apply,
    decode,
    encode,
    readable,
)
from stream_app.subjects.trend import trend

WINDOWS = Windows(seconds=3600, ring=96, lateness=3600, half_life=86400)


def test_the_worked_example_of_apply() -> None:
    """Number by number what the docstring of `apply` says."""
    hours = Windows(seconds=3600, ring=96, lateness=3600, half_life=3600)
    subject = Subject()
    purchase = Signal(0, 1, 3600.0, None, 0, 2.0, [])
    complaint = Signal(1, 2, 7200.0, -0.8, -1, 0.0, [])
    late = Signal(2, 3, 3600.0, 0.5, 1, 0.0, [])
    opened: list[int] = []
    assert apply(subject, "s/0", [purchase], hours, opened.append) == Fold(1, 0, 0)
    assert (subject.popularity, opened) == (2.0, [])
    assert apply(subject, "s/0", [complaint], hours, opened.append) == Fold(1, 0, 0)
    assert (subject.popularity, subject.opinions, subject.opinion) == (1.0, 1.0, -0.8)
    assert opened == [2]
    assert apply(subject, "s/0", [late], hours, opened.append) == Fold(1, 0, 0)
    assert (subject.opinions, subject.opinion) == pytest.approx((1.5, -0.55))
    assert subject.windows == {1: Counts(1, 0, 1, 0.5), 2: Counts(1, 1, 0, -0.8)}
    again = apply(subject, "s/0", [purchase, complaint, late], hours, opened.append)
    assert again == Fold(0, 3, 0)
    assert opened == [2]


def signal(number: int, time: float, sign: Literal[-1, 0, 1] = -1) -> Signal:
    return Signal(number, number + 1, time, sign * 0.5, sign, 0.25, ["battery"])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 150))
def test_the_interleaving_of_partitions_does_not_matter(seed: int, count: int) -> None:
    draw = random.Random(seed)
    entries = [
        signal(n, 1e9 + draw.uniform(0, 200 * 3600), draw.choice([-1, 0, 1])) for n in range(count)
    ]
    by_source = {s: [e for e in entries if e.offset % 4 == s] for s in range(4)}
    orders = []
    for _ in range(2):
        subject = Subject()
        queues = {s: list(q) for s, q in by_source.items() if q}
        while queues:
            source = draw.choice(sorted(queues))
            take = draw.randint(1, len(queues[source]))
            apply(subject, f"reviews/{source}", queues[source][:take], WINDOWS)
            queues[source] = queues[source][take:]
            if not queues[source]:
                del queues[source]
        orders.append(readable(decode(encode(subject))))
    for state in orders:
        for counts in state["windows"].values():  # type: ignore[attr-defined]
            counts["intensity"] = round(counts["intensity"], 6)
        for name in ("popularity", "opinions", "opinion"):
            state[name] = round(state[name], 6)  # type: ignore[call-overload]
    assert orders[0] == orders[1]


def test_repeats_count_once() -> None:
    subject = Subject()
    first = apply(subject, "reviews/0", [signal(1, 1e9), signal(2, 1e9)], WINDOWS)
    again = apply(subject, "reviews/0", [signal(1, 1e9), signal(2, 1e9)], WINDOWS)
    copied = apply(subject, "reviews/3", [Signal(7, 2, 1e9, -0.5, -1, 0.0, [])], WINDOWS)
    assert (first.counted, again.counted, copied.counted) == (2, 0, 0)
    assert copied.repeated == 1


def test_also_those_that_the_ids_have_forgotten() -> None:
    subject = Subject()
    old = [signal(number, 1e9 + number) for number in range(300)]
    apply(subject, "reviews/0", old, WINDOWS)
    before = encode(subject)
    assert apply(subject, "reviews/0", old, WINDOWS).repeated == len(old)
    assert encode(subject) == before


def test_an_event_older_than_the_ring_is_late() -> None:
    subject = Subject()
    apply(subject, "reviews/0", [signal(1, 1e9)], WINDOWS)
    fold = apply(subject, "reviews/0", [signal(2, 1e9 - 97 * 3600)], WINDOWS)
    assert fold.late == 1
    assert sum(c.reviews for c in subject.windows.values()) == 1


def test_the_record_stays_under_eight_kibibytes() -> None:
    subject = Subject()
    for number in range(5000):
        topics = [f"topic_number_{number % 12}"]
        before = [(hash64(f"{number}/{step}"), 1.0) for step in range(10)]
        entry = Signal(number, number, 1e9 + number * 400, -0.3, -1, 1.0, topics, before)
        apply(subject, f"reviews/{number % 16}", [entry], WINDOWS)
    assert len(encode(subject)) <= 8192


def test_popularity_halves_with_every_half_life() -> None:
    subject = Subject()
    times = [1e9, 1e9 + 86400, 1e9 - 86400]
    apply(subject, "reviews/0", [signal(n, time) for n, time in enumerate(times)], WINDOWS)
    assert subject.popularity == pytest.approx(0.25 * (1 + 1 / 2 + 1 / 4))


def test_a_trend_tells_the_newest_window() -> None:
    subject = Subject()
    entries = [signal(n, 1e9 + n, -1 if n < 3 else 1) for n in range(4)]
    apply(subject, "reviews/0", entries, WINDOWS)
    value = trend("item:x", subject, WINDOWS, surge=None)
    assert (value.reviews, value.negative_share, value.positive_share) == (4, 0.75, 0.25)
    assert value.mean_intensity == pytest.approx(-0.25)
    assert value.top_topics[0].id == "battery"
    assert value.popularity == pytest.approx(1.0, rel=1e-3)


def test_a_record_of_the_version_before_is_read() -> None:
    subject = Subject()
    apply(subject, "reviews/0", [signal(1, 1e9, 1)], WINDOWS)
    fields = msgspec.msgpack.decode(encode(subject), strict=False)
    fields[0], fields[2] = 2, subject.popularity
    old = decode(msgspec.msgpack.encode(fields))
    assert (old.popularity, old.opinions, old.opinion) == (subject.popularity, 0.0, 0.0)
    assert old.windows == subject.windows and old.ids == subject.ids


def test_opinions_decay_to_their_mean() -> None:
    subject = Subject()
    entries = [signal(1, 1e9, 1), signal(2, 1e9 + WINDOWS.half_life, -1)]
    apply(subject, "reviews/0", entries, WINDOWS)
    assert subject.opinions == pytest.approx(1.5)
    expected = (0.5 * (entries[0].intensity or 0) + (entries[1].intensity or 0)) / 1.5
    assert trend("item:x", subject, WINDOWS, None).opinion == pytest.approx(expected)
