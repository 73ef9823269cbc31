"""The user's record: bounded, idempotent, independent of the order of events."""

import random
import struct
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.interests.record import decode, empty, encode, readable
from stream_app.interests.update import DAY, Rules, apply_analysis, apply_behaviour, opinion
from stream_app.messages.identity import hash64
from stream_app.messages.vectors import pack
from stream_app.schemas import Analysis, Behaviour, Topic
from stream_app.schemas.records import Kind, Source

RULES = Rules(
    {"view": 0.2, "purchase": 2.0, "hide": -2.0, "review": 2.0},
    half_life=14 * DAY,
    seen=frozenset({"purchase", "hide", "review"}),
)


def analysis(number: int, time: float, intensity: float = 0.5, item: str = "i") -> Analysis:
    vector = np.random.default_rng(number).normal(size=384).astype(np.float32)
    return Analysis(
        id=f"r{number}", user_id="u", text="t", language="en", sentiment="positive",
        probabilities={}, intensity=intensity, topics=[Topic("battery", 0.9)], model="m",
        time=time, source=Source("reviews", number % 4, number),
        vector=pack(vector / np.linalg.norm(vector)), item_id=item,
    )  # fmt: skip


def fold(events: list[tuple[str, int, float]]) -> dict[str, Any]:
    """The record after events (kind, number, time), sent partition by partition in offset order."""
    interest = empty(384)
    for kind, number, time in events:
        if kind == "review":
            apply_analysis(interest, analysis(number, time, item=f"i{number % 7}"), RULES)
        else:
            behaviour = Behaviour("u", f"i{number % 9}", cast(Kind, kind))
            apply_behaviour(interest, behaviour, f"behaviours/{number}", number, time, RULES)
    return readable(decode(encode(interest)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 120))
def test_order_does_not_matter(seed: int, count: int) -> None:
    draw = random.Random(seed)
    kinds = ["review", "view", "purchase", "hide"]
    events = [(draw.choice(kinds), n, draw.uniform(1e9, 1e9 + 30 * DAY)) for n in range(count)]
    # Offsets of one source partition arrive in order: four of reviews, each behaviour its own.
    queues = [[e for e in events if e[0] == "review" and e[1] % 4 == p] for p in range(4)]
    queues += [[e] for e in events if e[0] != "review"]
    mixed = []
    while queues := [queue for queue in queues if queue]:
        mixed.append(draw.choice(queues).pop(0))
    one, other = fold(events), fold(mixed)
    np.testing.assert_allclose(one.pop("vector"), other.pop("vector"), atol=1e-5)
    tastes, other_tastes = one.pop("tastes"), other.pop("tastes")
    assert tastes.keys() == other_tastes.keys()
    assert all(tastes[topic] == pytest.approx(other_tastes[topic]) for topic in tastes)
    assert one == other


def test_events_of_one_second_stand_in_the_order_of_their_offsets() -> None:
    interest = empty(384)
    for offset, item in enumerate("abcd"):
        apply_behaviour(interest, Behaviour("u", item, "view"), "b/0", offset, 1e9, RULES)
    assert [e.item for e in interest.events] == [hash64(item) for item in "abcd"]


def test_a_record_of_the_version_before_is_read() -> None:
    interest = empty(384)
    apply_behaviour(interest, Behaviour("u", "a", "purchase"), "b/0", 7, 1e9, RULES)
    (event,) = interest.events
    fields = msgspec.msgpack.decode(encode(interest))
    fields[0], fields[3] = 1, struct.pack("<dQQBfH", event.time, *event[2:])
    old = decode(msgspec.msgpack.encode(fields))
    assert old.events == [event._replace(order=0)]
    assert old.seen == interest.seen and old.applied == interest.applied


def test_a_redelivered_event_changes_nothing() -> None:
    interest = empty(384)
    assert apply_analysis(interest, analysis(5, 1e9), RULES)
    before = encode(interest)
    assert not apply_analysis(interest, analysis(5, 1e9), RULES)
    assert encode(interest) == before


def test_also_one_that_the_rings_have_forgotten() -> None:
    interest = empty(384)
    old = [analysis(4 * number, 1e9 + number) for number in range(60)]
    for one in old:
        apply_analysis(interest, one, RULES)
    before = encode(interest)
    assert not any(apply_analysis(interest, one, RULES) for one in old)
    assert encode(interest) == before


def test_a_repeated_review_id_changes_nothing_but_the_offset() -> None:
    interest = empty(384)
    first = analysis(5, 1e9)
    apply_analysis(interest, first, RULES)
    before = readable(interest)
    again = msgspec.structs.replace(first, source=Source("reviews", 1, 99))
    assert not apply_analysis(interest, again, RULES)
    after = readable(interest)
    assert after.pop("applied") != before.pop("applied")
    assert after == before


def test_the_record_stays_under_four_kibibytes_after_100_000_events() -> None:
    interest = empty(384)
    topics = [Topic(f"topic_number_{n}", 0.5) for n in range(12)]
    some = [msgspec.structs.replace(analysis(n, 1e9), topics=topics) for n in range(50)]
    for number in range(50_000):
        entry = msgspec.structs.replace(
            some[number % 50], id=f"r{number}", time=1.7e9 + number,
            item_id=f"a-rather-long-item-id-{number}",
            source=Source("reviews", number % 4, 2**31 + number),
        )  # fmt: skip
        assert apply_analysis(interest, entry, RULES)
        behaviour = Behaviour("u", f"another-item-{number}", "purchase")
        apply_behaviour(interest, behaviour, "behaviours/1", 2**31 + number, 1.7e9 + number, RULES)
    assert len(encode(interest)) <= 4096


def test_an_old_event_counts_less_and_a_half_life_halves() -> None:
    interest = empty(384)
    apply_analysis(interest, analysis(1, 1e9, intensity=1.0), RULES)
    norm = np.linalg.norm(interest.vector)
    apply_behaviour(interest, Behaviour("u", "i", "view"), "b", 1, 1e9 + RULES.half_life, RULES)
    assert np.linalg.norm(interest.vector) == pytest.approx(norm / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("intensity", "stars", "expected"), [(0.5, None, 0.5), (1.0, 5, 1.0), (-1.0, 5, 0.0)]
)
def test_stars_and_text_are_averaged(
    intensity: float, stars: float | None, expected: float
) -> None:
    assert opinion(intensity, stars) == expected
