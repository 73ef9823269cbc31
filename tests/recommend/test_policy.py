"""Ranking: what is liked comes up, what is known stays out, caps and variety hold."""

import numpy as np
import pytest
from checkerboard import DIMENSIONS, catalogue

from schemas import Behaviour, Trend
from stream_app.identity import hash64
from stream_app.interests.record import Interest, empty
from stream_app.interests.update import Rules, apply_behaviour
from stream_app.recommend import policy
from stream_app.recommend.content import Content
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.popularity import Popularity

RULES = Rules({"view": 0.2, "purchase": 2.0, "hide": -2.0}, 1e6, frozenset({"purchase", "hide"}))


def user(*events: tuple[str, str]) -> Interest:
    interest = empty(DIMENSIONS)
    for offset, (kind, item) in enumerate(events):
        apply_behaviour(interest, Behaviour("u", item, kind), "b", offset, 1e9 + offset, RULES)
    return interest


def ranked(interest: Interest, rules: policy.Rules | None = None, count: int = 5) -> list[str]:
    hybrid = Hybrid([Content(1e6, {}), Popularity(1e6)], rules or policy.Rules(), count)
    ((items, _),) = hybrid.recommend([interest], catalogue())
    return [entry.item_id for entry in items]


def test_like_comes_with_like_and_seen_stays_out() -> None:
    chosen = ranked(user(("purchase", "i0")))
    assert "i0" not in chosen
    assert all(int(item[1:]) % 2 == 0 for item in chosen[:3])


def test_a_disliked_item_pushes_its_neighbours_down() -> None:
    items, content = catalogue(), Content(1e6, {})
    liked = user(("view", "i0"), ("view", "i1"))
    disliked = user(("view", "i0"), ("view", "i1"), ("hide", "i2"))
    before, after = content.score([liked, disliked], items)
    rows = [items.row(hash64(item)) for item in ("i2", "i4", "i6", "i8")]
    assert all(after[row] < before[row] for row in rows)
    assert "i2" not in ranked(disliked, count=12)


def test_sold_out_and_blocked_are_out() -> None:
    rules = policy.Rules(blocked=frozenset({"i4", "c2"}))
    chosen = ranked(user(("purchase", "i0")), rules, count=12)
    assert not {"i10", "i4", "i2", "i5", "i8", "i11"} & set(chosen)


def test_caps_hold() -> None:
    chosen = ranked(user(("purchase", "i0")), policy.Rules(per_category=1), count=12)
    assert len(chosen) == 3
    chosen = ranked(user(("purchase", "i0")), policy.Rules(per_seller=2), count=12)
    assert max(sum(int(i[1:]) % 4 == s for i in chosen) for s in range(4)) <= 2


def test_a_reason_names_evidence_and_falls_with_it() -> None:
    items = catalogue()
    content = Content(1e6, {})
    row = items.row(hash64("i4"))
    assert row is not None
    reason = content.reasons(user(("purchase", "i0")), [row], items)[0]
    assert reason is not None
    assert "Item 0" in reason.en and "Item 0" in reason.zh
    assert content.reasons(user(("purchase", "i1")), [row], items)[0] is None
    assert content.reasons(user(("purchase", "i0"), ("hide", "i0")), [row], items)[0] is None


def test_popularity_of_trends_decays() -> None:
    items = catalogue()
    popularity = Popularity(half_life=100)
    for item, time in (("i1", 1000.0), ("i2", 900.0)):
        popularity.put(Trend(f"item:{item}", 0, 1, 0, 0, 0, 0, [], 4.0, time, []))
    (scores,) = popularity.score([empty(DIMENSIONS)], items)
    one, two = items.row(hash64("i1")), items.row(hash64("i2"))
    assert scores[one] == pytest.approx(1)
    assert scores[two] == pytest.approx(np.log1p(2) / np.log1p(4))


def test_a_removed_item_is_gone_and_rows_stay_right() -> None:
    items = catalogue()
    items.remove("i3")
    items.refresh()
    assert items.row(hash64("i3")) is None
    assert len(items) == 11
    for row, item in enumerate(items.items):
        assert items.row(hash64(item.item_id)) == row
