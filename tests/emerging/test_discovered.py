"""What a worker keeps of the ring: bounded, repeats once, the same topics after a restart."""

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from stream_app import schemas
from stream_app.emerging.clusters import Rule
from stream_app.emerging.discovered import BATCH, KNOWN, Discovered
from stream_app.emerging.unmatched import COMMON_SLOTS, SLOT_KEYS, SLOTS, unmatched
from stream_app.messages.vectors import pack
from stream_app.schemas import Analysis, Emerging, Topic, Unmatched
from stream_app.schemas.records import Source

DIMENSIONS = 128
AXES = np.eye(DIMENSIONS, dtype=np.float32)
LIVE: Any = SimpleNamespace(
    current=SimpleNamespace(
        inference=SimpleNamespace(dimensions=DIMENSIONS),
        topics=SimpleNamespace(vectors=AXES[-1:]),
    )
)
THINGS = [
    "points expired over night",
    "my loyalty points vanished",
    "where did all points go",
    "points gone without warning",
]


class Clock:
    """Time that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def analysis(
    number: int, text: str, vector: np.ndarray, topics: tuple[Topic, ...] = ()
) -> Analysis:
    return Analysis(
        id=f"r{number}", user_id="u", text=text, language="en", sentiment="neutral",
        probabilities={}, intensity=0.0, topics=list(topics), model="m", time=1e9 + 60.0 * number,
        source=Source("reviews", 0, number), vector=pack(vector),
    )  # fmt: skip


def messages(count: int = 300) -> list[tuple[bytes, bytes]]:
    """Keys and values of reviews, every tenth about points, the others about nothing in common."""
    draw = random.Random(1)
    noise = np.random.default_rng(1)
    sent = []
    for number in range(count):
        if number % 10 == 0:
            text, vector = draw.choice(THINGS), AXES[0] + 0.1 * AXES[number % 7 + 1]
        else:
            text = " ".join("".join(draw.choices("abcdefgh", k=5)) for _ in range(5))
            vector = noise.normal(size=DIMENSIONS).astype(np.float32)
        told = unmatched(analysis(number, text, vector / np.linalg.norm(vector)))
        assert told is not None
        sent.append((told[0], schemas.encode(told[1])))
    return sent


def settled(discovered: Discovered, clock: Clock) -> Sequence[Emerging]:
    """The topics when nothing waits any more."""
    while True:
        clock.now += discovered.seconds
        found = discovered.topics()
        if not discovered.overdue():
            return found


def test_a_topic_is_found_told_and_found_again_after_a_restart() -> None:
    sent = messages()
    clock = Clock()
    running = Discovered(LIVE, clock=clock)
    for place, (slot, value) in enumerate(sent):
        running.put(slot, value)
        if place % 50 == 49:
            clock.now += running.seconds
            running.topics()
    (topic,) = running.topics()
    assert topic.words[0] == "points" and 30 <= topic.size <= 34
    assert all("points" in text for text in topic.examples)
    assert topic.first == 1e9 and topic.last >= 1e9 + 60 * 290
    # The ring as the broker kept it, in the order of its partitions.
    started = Discovered(LIVE, clock=clock)
    for slot, value in sorted(dict(sent).items()):
        started.put(slot, value)
    (again,) = settled(started, clock)
    assert again.words[0] == "points" and again.size >= 25


def test_a_repeated_review_counts_once() -> None:
    clock = Clock()
    discovered = Discovered(LIVE, clock=clock)
    sizes = set()
    for _ in range(3):
        for slot, value in messages():
            discovered.put(slot, value)
        (topic,) = settled(discovered, clock)
        sizes.add(topic.size)
    assert len(sizes) == 1


def test_between_clusterings_the_last_topics_are_told() -> None:
    clock = Clock()
    discovered = Discovered(LIVE, clock=clock)
    sent = messages()
    discovered.put(*sent[0])
    assert list(discovered.topics()) == []
    for slot, value in sent:
        discovered.put(slot, value)
    assert list(discovered.topics()) == []
    assert discovered.overdue() and not discovered.overdue()
    assert len(settled(discovered, clock)) == 1
    assert not discovered.overdue()


def test_a_reading_of_a_fast_stream_costs_no_more() -> None:
    clock = Clock()
    discovered = Discovered(LIVE, clock=clock)
    for slot, value in messages(1000):
        discovered.put(slot, value)
    waiting = len(discovered._waiting)
    clock.now += discovered.seconds
    discovered.topics()
    assert waiting - len(discovered._waiting) == BATCH < waiting / 2


def test_a_worker_that_is_not_asked_never_reminds() -> None:
    discovered = Discovered(LIVE)
    for slot, value in messages(20):
        discovered.put(slot, value)
    assert not discovered.overdue()


def test_memory_is_bounded_by_the_slots() -> None:
    clock = Clock()
    discovered = Discovered(LIVE, Rule(clusters=8, terms=4, background=64), clock=clock)
    for number in range(3 * len(SLOT_KEYS)):
        value = schemas.encode(Unmatched(f"r{number}", 1e9, "some words", pack(AXES[number % 9])))
        discovered.put(str(number % (2 * len(SLOT_KEYS))).encode(), value)
        if number % 100 == 0:
            clock.now += discovered.seconds
            discovered.topics()
        assert len(discovered._waiting) <= len(SLOT_KEYS) and len(discovered._known) <= KNOWN
    assert len(discovered._discovery) <= 8


def test_what_cannot_be_compared_is_passed_over() -> None:
    discovered = Discovered(LIVE)
    other = Unmatched("r1", 1e9, "embedded by a model of other dimensions", pack(AXES[0][:8]))
    discovered.put(b"1", schemas.encode(other))
    discovered.put(b"2", None)
    discovered.put(None, b"")
    assert list(discovered.topics()) == [] and len(discovered._discovery) == 0


def test_slots() -> None:
    topic = (Topic("battery", 0.9),)
    text = "电池很耐用 works for days"
    new = [unmatched(analysis(n, text * 40, AXES[0])) for n in range(4000)]
    assert all(told is not None for told in new)
    slots = {int(told[0]) for told in new if told}
    assert slots <= set(range(SLOTS)) and len(slots) > SLOTS * 0.8
    assert {len(told[1].text) for told in new if told} == {200}
    common = [told for n in range(4000) if (told := unmatched(analysis(n, text, AXES[0], topic)))]
    assert 400 < len(common) < 600
    assert {int(slot) for slot, _ in common} <= set(range(SLOTS, SLOTS + COMMON_SLOTS))
    assert all(record.vector is None for _, record in common)
    for short in ("good", "ok ok ok", "很好", "3 2 1 0 :)"):
        assert unmatched(analysis(1, short, AXES[0])) is None
