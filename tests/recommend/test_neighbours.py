"""Pairs of items taken one after the other: counted, kept, scored, told."""

import base64

import numpy as np
import pytest

from stream_app.interests.record import Interest, empty
from stream_app.interests.update import Rules, apply_behaviour
from stream_app.messages.identity import event_hash, hash64
from stream_app.recommend.neighbours import (
    COUNTED,
    LEAST,
    MOST,
    NO_VALUE,
    RECENT,
    SUCCESSORS,
    Neighbours,
    steps,
)
from stream_app.schemas import Behaviour, Signal, Trend
from stream_app.subjects.pairs import from_bytes, pack
from stream_app.subjects.record import (
    MOST_NEIGHBOURS,
    NEIGHBOURS,
    Subject,
    Windows,
    apply,
    decode,
    encode,
)
from stream_app.subjects.trend import trend
from tests.recommend.checkerboard import catalogue, reasons, score

RULES = Rules({"view": 0.2}, 1e6, frozenset())
WINDOWS = Windows(3600, 96, 3600, 1e6)


def viewer(*items: str) -> Interest:
    interest = empty(8)
    for offset, item in enumerate(items):
        behaviour = Behaviour("u", item, "view", event_id=f"e{offset}")
        apply_behaviour(interest, behaviour, "b/0", offset, 1e9 + offset, RULES)
    return interest


def test_an_event_is_paired_with_those_before_it_less_with_each_step() -> None:
    events = viewer("a", "b", "c", "b", "d").events
    assert dict(steps(events, event_hash("behaviour", "u", "e4"))) == pytest.approx({
        hash64("b"): 1 + COUNTED**2, hash64("c"): COUNTED, hash64("a"): COUNTED**3,
    })  # fmt: skip
    assert dict(steps(events, event_hash("behaviour", "u", "e3"))) == {
        hash64("c"): 1.0,
        hash64("a"): COUNTED**2,
    }
    assert steps(events, event_hash("behaviour", "u", "e0")) == []
    assert steps(events, hash64("gone")) == []
    assert steps([], 7) == []


def test_a_subject_keeps_the_heaviest_pairs_and_repeats_count_once() -> None:
    subject = Subject()
    entries = [
        Signal(n, n, 1e9, None, 0, 0.0, [], [(n, float(n)), (0, 1.0)])
        for n in range(1, MOST_NEIGHBOURS + 1)
    ]
    apply(subject, "behaviours/0", entries, WINDOWS)
    apply(subject, "behaviours/0", entries[-3:], WINDOWS)
    assert len(subject.neighbours) == NEIGHBOURS
    assert subject.neighbours[0] == MOST_NEIGHBOURS
    assert min(subject.neighbours.values()) == MOST_NEIGHBOURS - NEIGHBOURS + 2
    assert decode(encode(subject)).neighbours == subject.neighbours
    told = trend("item:x", subject, WINDOWS, None)
    assert from_bytes(base64.b64decode(told.neighbours)) == subject.neighbours


def told(item: str, **before: float) -> Trend:
    weights = pack({hash64(other): weight for other, weight in before.items()})
    return Trend(f"item:{item}", 0, 1, 0, 0, 0, 0, [], 0.0, 0.0, [], neighbours=weights)


def said(scores: np.ndarray) -> np.ndarray:
    """The sums that scores stand for."""
    sums: np.ndarray = LEAST * np.expm1(scores * np.log1p(MOST / LEAST))
    return sums


def test_both_directions_count_and_recent_events_weigh_more() -> None:
    items, neighbours = catalogue(), Neighbours()
    neighbours.put(told("i1", i0=2.0, i2=2.0))
    neighbours.put(told("i0", i3=4.0))
    (scores,) = score(neighbours, [viewer("i1", "i0")], items)
    viewed = NO_VALUE + (1 - NO_VALUE) * 0.2
    one, zero = np.sqrt(1 + 4), np.sqrt(1 + 4)
    raw = said(scores)
    expected = [2.0 / one, 4.0, 2 * RECENT / zero, 2 * RECENT]
    assert raw[[1, 3, 0, 2]] == pytest.approx(np.array(expected) * viewed, rel=1e-4)
    assert not raw[4:].any()
    why = reasons(neighbours, viewer("i1", "i0"), [3, 2, 5], items)
    assert [reason and "Item 0" in reason.en for reason in why] == [True, False, None]


def test_what_goes_with_everything_counts_less() -> None:
    items, neighbours = catalogue(), Neighbours()
    neighbours.put(told("i1", i0=2.0, **{f"i{n}": 5.0 for n in range(4, 12)}))
    neighbours.put(told("i2", i0=2.0))
    (scores,) = score(neighbours, [viewer("i0")], items)
    assert scores[2] > scores[1] > 0


def test_a_newer_trend_replaces_the_older() -> None:
    items, neighbours = catalogue(), Neighbours()
    neighbours.put(told("i1", i0=2.0, i2=1.0))
    neighbours.put(told("i1", i0=MOST))
    assert not score(neighbours, [viewer("i2")], items).any()
    (scores,) = score(neighbours, [viewer("i0")], items)
    assert scores[1] > 0.6


def test_of_many_successors_the_heaviest_are_kept() -> None:
    items, neighbours = catalogue(), Neighbours()
    for number in range(2 * SUCCESSORS):
        neighbours.put(told(f"f{number}", i0=1.0))
    neighbours.put(told("i1", i0=2.0))
    neighbours.put(told("i2", i0=0.5))
    (scores,) = score(neighbours, [viewer("i0")], items)
    assert scores[1] > 0 and not scores[2]
