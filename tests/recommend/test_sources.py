"""The contract of all sources, by tests that each source inherits."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream_app.interests.record import Interest, empty
from stream_app.interests.update import Rules, apply_behaviour
from stream_app.messages.identity import hash64
from stream_app.messages.vectors import pack
from stream_app.recommend import bundle
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.source import Source
from stream_app.recommend.sources import sources
from stream_app.schemas import Behaviour, Item, ItemVector, Trend
from stream_app.subjects.pairs import pack as pack_pairs
from tests.recommend.checkerboard import DIMENSIONS, catalogue, reasons, score

RECOMMENDER = Path(__file__).parent / "recommender"
RULES = Rules({"view": 0.2, "purchase": 1.0, "hide": -1.0}, 1e6, frozenset({"purchase"}))
NAMES = ("content", "neighbours", "popularity", "quality", "collaborative", "sequence")
PERSONAL = ("content", "neighbours", "collaborative", "sequence")


def trends() -> list[Trend]:
    """Even items are praised, the first of them popular; each was taken after the one before."""
    return [
        Trend(
            f"item:i{n}", 0, 1, 0, 0, 0, 0, [], 12.0 - n, 1e9 + n, [],
            opinions=8.0, opinion=0.8 if n % 2 == 0 else -0.5,
            neighbours=pack_pairs({hash64(f"i{n - 2}"): 5.0}) if n > 1 else "",
        )
        for n in range(12)
    ]  # fmt: skip


def source(name: str, told: list[Trend] | None = None) -> Source:
    found = {s.name: s for s in sources(1e6, {}, bundle.load(RECOMMENDER))}[name]
    for trend in trends() if told is None else told:
        found.put(trend)
    return found


def user(*events: tuple[str, str]) -> Interest:
    interest = empty(DIMENSIONS)
    for offset, (kind, item) in enumerate(events):
        done = Behaviour("u", item, kind)  # type: ignore[arg-type]
        apply_behaviour(interest, done, "b", offset, 1e9 + offset * 60, RULES)
    return interest


USERS = [
    user(("purchase", "i0"), ("view", "i2")),
    user(("purchase", "i1"), ("purchase", "i3"), ("hide", "i4")),
    user(("view", "not in the catalogue")),
    empty(DIMENSIONS),
]


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_scores_are_bounded_and_of_the_right_shape(self, name: str) -> None:
        scores = score(source(name), USERS, catalogue())
        assert scores.shape == (4, 12)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all() and np.abs(scores).max() <= 1
        assert np.abs(scores[0]).max() > 0

    def test_a_user_scores_alike_alone_and_in_company(self, name: str) -> None:
        together = score(source(name), USERS, catalogue())
        alone = [score(source(name), [one], catalogue())[0] for one in USERS]
        np.testing.assert_allclose(together, alone, atol=1e-6)

    def test_rows_are_a_part_of_all(self, name: str) -> None:
        rows = np.array([7, 2, 11])
        whole, part = (score(source(name), USERS, catalogue(), *r) for r in ((), (rows,)))
        np.testing.assert_allclose(part, whole[:, rows], atol=1e-6)

    def test_of_a_stranger_nothing_is_known(self, name: str) -> None:
        scores = score(source(name), USERS, catalogue())
        if name in PERSONAL:
            assert not scores[2:].any()
        else:
            assert (scores == scores[0]).all()

    def test_candidates_hold_the_best(self, name: str) -> None:
        found, items = source(name), catalogue()
        scores = score(found, USERS, items)
        for own, rows in zip(
            scores, found.candidates(found.features(USERS, items), items, 6), strict=True
        ):
            assert ((rows >= 0) & (rows < len(items))).all()
            if name in PERSONAL and own.any():
                assert own.argmax() in rows

    def test_a_reason_falls_with_its_evidence(self, name: str) -> None:
        found, items = source(name), catalogue()
        rows = list(range(len(items)))
        given = 0
        for one in USERS:
            before = score(found, [one], items)[0]
            for row, reason in enumerate(reasons(found, one, rows, items)):
                if reason is None:
                    continue
                given += 1
                assert reason.source == name
                title = re.search("“(.+)”", reason.en)
                if name not in PERSONAL:
                    told = [t for t in trends() if t.subject != f"item:i{row}"]
                    after = score(source(name, told), [one], items)[0]
                else:
                    assert title is not None and f"“{title[1]}”" in reason.zh
                    evidence = next(i for i in items.items if i.title == title[1])
                    kept = [e for e in one.events if e.item != hash64(evidence.item_id)]
                    assert len(kept) < len(one.events)
                    after = score(found, [replace(one, events=kept)], items)[0]
                assert after[row] < before[row]
        assert given

    def test_a_new_item_counts_at_once_and_a_removed_one_is_gone(self, name: str) -> None:
        found, items = source(name), catalogue()
        score(found, USERS, items)
        vector = items.vectors[items.row(hash64("i2")) or 0]
        items.put(ItemVector(Item("new", "New"), pack(vector), "m"))
        items.refresh()
        scores = score(found, USERS, items)
        assert scores.shape == (4, 13)
        if name in ("content", "collaborative", "sequence"):
            assert scores[0, 12] != 0
        items.remove("i0")
        items.refresh()
        after = score(found, USERS, items)
        assert after.shape == (4, 12)
        fresh = score(source(name), USERS, rebuilt(items))
        np.testing.assert_allclose(after, fresh, atol=1e-6)

    def test_the_order_of_trends_does_not_matter(self, name: str) -> None:
        one = score(source(name), USERS, catalogue())
        other = score(source(name, trends()[::-1]), USERS, catalogue())
        np.testing.assert_allclose(one, other, atol=1e-6)


def rebuilt(items: Catalogue) -> Catalogue:
    """The same items in the same rows, put at once."""
    again = Catalogue(DIMENSIONS)
    for item, vector in zip(items.items, items.vectors, strict=True):
        again.put(ItemVector(item, pack(vector), "m"))
    again.refresh()
    return again


def test_users_of_one_colour_are_led_to_it() -> None:
    for name in ("content", "collaborative", "sequence"):
        even, odd = score(source(name), USERS[:2], catalogue())
        assert even[6::2].mean() > even[7::2].mean(), name
        assert odd[7::2].mean() > odd[6::2].mean(), name
