"""The worked examples of the docstrings of the dense functions, number by number."""

import numpy as np
import pytest

from stream_app.interests.record import KINDS, Event, Interest
from stream_app.messages.identity import hash64
from stream_app.messages.vectors import pack
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.evidence import evidence
from stream_app.recommend.likes import calm, likes
from stream_app.recommend.neighbours import RECENT, Neighbours
from stream_app.recommend.policy import Policy, Rules
from stream_app.recommend.variety import _greedy
from stream_app.schemas import Item, ItemVector, Trend
from stream_app.subjects.pairs import pack as pack_pairs

NOW = 1e9
PURCHASE = KINDS.index("purchase")
A, B, C, D = range(4)
"""Rows of the items."""


def catalogue(*entries: tuple[Item, tuple[float, ...]]) -> Catalogue:
    items = Catalogue(len(entries[0][1]))
    for item, vector in entries:
        items.put(ItemVector(item, pack(np.array(vector, np.float32)), "m"))
    items.refresh()
    return items


def did(item: str, value: float, seconds_ago: float = 0.0) -> Event:
    return Event(NOW - seconds_ago, 0, hash64(f"{item} {seconds_ago}"), hash64(item), PURCHASE,
                 value, 0)  # fmt: skip


def test_evidence() -> None:
    items = catalogue(
        (Item("A", "A"), (1.0, 0.0)), (Item("B", "B"), (0.8, 0.6)), (Item("C", "C"), (0.0, 1.0))
    )
    user = Interest(np.array([0.0, 0.5], np.float32), NOW, [did("A", 2.0)])
    one = likes(user, items, 1e6)
    assert one.interest == pytest.approx([2.0, 0.5])
    products = items.vectors @ one.interest
    assert products[[B, C]] == pytest.approx([1.9, 0.5])
    assert calm(products)[B] == pytest.approx(0.275, abs=5e-4)
    assert calm(products - 2 * items.vectors @ items.vectors[A])[B] == pytest.approx(
        0.057, abs=5e-4
    )
    found = evidence([one], np.array([[B, C]]), items, 5)
    assert found.event.tolist() == [[0, 0]]
    assert found.liked.tolist() == [[True, False]]
    assert found.written.tolist() == [[True, True]]


def test_reasons_of_neighbours() -> None:
    items = catalogue(*((Item(name, name), (1.0, 0.0)) for name in "ABCD"))
    neighbours = Neighbours()
    for item, before in (("A", {"C": 2.0}), ("C", {"B": 1.0})):
        weights = pack_pairs({hash64(other): weight for other, weight in before.items()})
        neighbours.put(Trend(f"item:{item}", 0, 1, 0, 0, 0, 0, [], 0, 0, [], neighbours=weights))
    user = Interest(np.zeros(2, np.float32), NOW, [did("B", 1.0, 60), did("A", 1.0)])
    features = neighbours.features([user], items)
    assert [one.weight for one in features[0]] == [1.0, RECENT] == [1.0, 0.8]
    ((c, d),) = neighbours.reasons(features, np.array([[C, D]]), items)
    assert c is not None and "“A”" in c.en
    assert d is None


SCORES = np.array([[0.9, 0.8, 0.5]], np.float32)
NO_GROUPS = np.zeros((1, 3, 2), np.uint64)


def test_greedy_choice_by_likeness() -> None:
    gain = np.float32(0.5) * SCORES
    assert gain[0] == pytest.approx([0.45, 0.4, 0.25])
    cosines = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
    after = gain[0] - 0.5 * cosines[A]
    assert after[[B, C]] == pytest.approx([-0.05, 0.25])
    chosen, capped = _greedy(gain, NO_GROUPS, (None, None), 0.5, 3, lambda best: cosines[best])
    assert chosen.tolist() == [[A, C, B]]
    assert not capped.any()


def test_greedy_choice_under_a_cap() -> None:
    groups = NO_GROUPS.copy()
    groups[0, [A, B], 1] = 7
    chosen, capped = _greedy(SCORES.copy(), groups, (None, 1), 0.0, 3, None)
    assert chosen.tolist() == [[A, C, -1]]
    assert capped.tolist() == [[0, 2, 0]]


def test_policy() -> None:
    items = catalogue(
        (Item("A", "A"), (1.0,)),
        (Item("B", "B", available=False), (1.0,)),
        (Item("C", "C"), (1.0,)),
    )
    user = Interest(np.zeros(1, np.float32), NOW, [did("A", 2.0)], seen={hash64("A"): int(NOW)})
    scores = np.array([[0.9, 0.4, 0.5]], np.float32)
    (choice,) = Policy(Rules(), 1).choose([user], np.array([[A, B, C]]), scores, items)
    assert choice.places == [C] == [2]
    assert choice.removed == {"seen": 1, "unavailable": 1}
    assert choice.withheld == {"seen": ["A"]}
