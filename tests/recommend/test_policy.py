"""Ranking: what is liked comes up, what is known stays out, caps and variety hold."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_app import schemas
from stream_app.interests.record import KINDS, Event, Interest, empty
from stream_app.interests.update import Rules, apply_behaviour
from stream_app.messages.identity import hash64
from stream_app.messages.message import Message
from stream_app.messages.vectors import pack
from stream_app.processors.interests import Interests
from stream_app.recommend import hybrid as hybrid_module
from stream_app.recommend import policy
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.content import Content
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.popularity import Popularity
from stream_app.schemas import Behaviour, Item, ItemVector, Recommendations, Trend
from stream_app.schemas.records import Kind
from tests.recommend.checkerboard import DIMENSIONS, catalogue, reasons, score
from tests.spending import within

RULES = Rules({"view": 0.2, "purchase": 2.0, "hide": -2.0}, 1e6, frozenset({"purchase", "hide"}))


def user(*events: tuple[Kind, str]) -> Interest:
    interest = empty(DIMENSIONS)
    for offset, (kind, item) in enumerate(events):
        apply_behaviour(interest, Behaviour("u", item, kind), "b", offset, 1e9 + offset, RULES)
    return interest


def ranked(interest: Interest, rules: policy.Rules | None = None, count: int = 5) -> list[str]:
    hybrid = Hybrid([Content(1e6, {}), Popularity(1e6)], rules or policy.Rules(), count)
    (found,) = hybrid.recommend([interest], catalogue())
    return [entry.item_id for entry in found.items]


def offered(
    rules: policy.Rules, items: Catalogue, count: int, user_: Interest | None = None
) -> policy.Choice:
    """What the rules make of scores that fall with the row."""
    rows = np.arange(len(items))[None]
    scores = np.linspace(1, 0, len(items), dtype=np.float32)
    return policy.Policy(rules, count).choose(
        [user_ or empty(DIMENSIONS)], rows, scores[None], items
    )[0]


def test_like_comes_with_like_and_seen_stays_out() -> None:
    chosen = ranked(user(("purchase", "i0")))
    assert "i0" not in chosen
    assert all(int(item[1:]) % 2 == 0 for item in chosen[:3])


def test_a_disliked_item_pushes_its_neighbours_down() -> None:
    items, content = catalogue(), Content(1e6, {})
    liked = user(("view", "i0"), ("view", "i1"))
    disliked = user(("view", "i0"), ("view", "i1"), ("hide", "i2"))
    before, after = score(content, [liked, disliked], items)
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


def shelf(count: int = 400, /, **changes: Item) -> Catalogue:
    """Many items, the first 300 of one seller."""
    items = Catalogue(DIMENSIONS)
    for number in range(count):
        item = Item(f"i{number}", f"Item {number}", seller="big" if number < 300 else f"s{number}")
        vector = np.eye(DIMENSIONS, dtype=np.float32)[number % DIMENSIONS]
        items.put(ItemVector(changes.get(f"i{number}", item), pack(vector), "m"))
    items.refresh()
    return items


def test_a_list_is_filled_though_one_seller_has_all_the_best() -> None:
    choice = offered(policy.Rules(per_seller=2), shelf(), count=10)
    assert choice.places == [0, 1, *range(300, 308)]
    assert choice.removed == {"per_seller": 298}


def test_a_list_is_filled_though_all_the_best_are_sold_out() -> None:
    sold = {f"i{n}": Item(f"i{n}", "Sold", available=False) for n in range(350)}
    choice = offered(policy.Rules(), shelf(**sold), count=5)
    assert choice.places == [350, 351, 352, 353, 354]
    assert choice.removed == {"unavailable": 350}
    assert choice.withheld == {"unavailable": ["i0", "i1", "i2"]}


def test_unsafe_tags_keep_an_item_from_everybody() -> None:
    tagged = {"i1": Item("i1", "Knife", tags=["Kitchen", "ReCalled"])}
    choice = offered(policy.Rules(unsafe=frozenset({"Recalled"})), shelf(**tagged), count=3)
    assert choice.places == [0, 2, 3]
    assert choice.removed == {"unsafe": 1}
    assert choice.withheld == {"unsafe": ["i1"]}


def test_nothing_to_offer_is_an_empty_list() -> None:
    items, known = shelf(6), user(("purchase", "i1"))
    rules = policy.Policy(policy.Rules(diversity=0.2), 3)
    none, blank = np.zeros((1, 0), np.int64), np.zeros((1, 0), np.float32)
    assert rules.choose([known], none, blank, items) == [policy.Choice([], {"seen": 1})]
    assert offered(policy.Rules(), items, 0, known).places == []
    sold = {f"i{n}": Item(f"i{n}", "Sold", available=False) for n in range(6)}
    assert offered(policy.Rules(), shelf(6, **sold), 3).places == []


def test_only_what_would_have_stood_in_the_list_is_named() -> None:
    items = shelf(20)
    known = user(("purchase", "i1"), ("hide", "i2"), ("purchase", "i15"))
    choice = offered(policy.Rules(blocked=frozenset({"i0", "i19"})), items, 4, known)
    assert choice.places == [3, 4, 5, 6]
    assert choice.removed == {"blocked": 2, "seen": 2, "disliked": 1}
    assert choice.withheld == {"blocked": ["i0"], "seen": ["i1"], "disliked": ["i2"]}


def test_many_that_are_sold_out_do_not_hide_what_other_rules_kept_out() -> None:
    sold = {f"i{n}": Item(f"i{n}", "Sold", available=False) for n in range(350)}
    choice = offered(policy.Rules(), shelf(**sold), 3, user(("purchase", "i350")))
    assert choice.places == [351, 352, 353]
    assert choice.withheld == {"unavailable": ["i0", "i1", "i2"], "seen": ["i350"]}


def test_what_a_user_knows_counts_as_known_though_all_are_kept_from_it() -> None:
    known = user(("purchase", "i0"), ("hide", "i1"))
    choice = offered(policy.Rules(blocked=frozenset({"i0", "i1", "i2"})), shelf(20), 3, known)
    assert choice.removed == {"seen": 1, "disliked": 1, "blocked": 1}
    assert choice.withheld == {"seen": ["i0"], "disliked": ["i1"], "blocked": ["i2"]}


def test_capped_items_are_named_where_they_would_have_stood() -> None:
    choice = offered(policy.Rules(per_seller=2), shelf(), count=4)
    assert choice.places == [0, 1, 300, 301]
    assert choice.withheld == {"per_seller": ["i2", "i3", "i4"]}


def test_a_list_that_caps_leave_short_costs_little() -> None:
    items = shelf(4000, **{f"i{n}": Item(f"i{n}", "Own", seller="own") for n in range(4000)})
    rules = policy.Policy(policy.Rules(per_seller=4, diversity=0.2), 10)
    rows, scores = np.arange(4000)[None], np.linspace(1, 0, 4000, dtype=np.float32)
    (chosen,) = rules.choose([empty(DIMENSIONS)], rows, scores[None], items)
    assert len(chosen.places) == 4
    assert chosen.removed == {"per_seller": 3996}
    # Item by item it would be hundreds.
    within(0.02, lambda: rules.choose([empty(DIMENSIONS)], rows, scores[None], items))


@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_the_list_is_that_of_looking_at_one_item_after_the_other(diversity: float) -> None:
    """Against a plain loop over all items."""
    seed = np.random.default_rng(5)
    for _ in range(30):
        items = Catalogue(DIMENSIONS)
        for n in range(60):
            vector = seed.normal(size=DIMENSIONS).astype(np.float32)
            kind, seller = (str(name or "") for name in seed.integers(0, 6, 2))
            item = Item(f"i{n}", f"Item {n}", category=kind, seller=seller)
            items.put(ItemVector(item, pack(vector / np.linalg.norm(vector)), "m"))
        items.refresh()
        scores = np.round(seed.random(60), 1).astype(np.float32)
        rules = policy.Rules(per_category=3, per_seller=2, diversity=diversity)
        (choice,) = policy.Policy(rules, 8).choose(
            [empty(DIMENSIONS)], np.arange(60)[None], scores[None], items
        )
        chosen, removed = plain(rules, 8, scores, items)
        assert choice.places == chosen
        assert choice.removed == removed


def plain(
    rules: policy.Rules, count: int, scores: NDArray[np.float32], items: Catalogue
) -> tuple[list[int], dict[str, int]]:
    """One item after the other: the best score less the likeness, unless a cap forbids it."""
    left = sorted(range(len(items)), key=lambda row: (-scores[row], row))
    chosen: list[int] = []
    removed: Counter[str] = Counter()
    likeness = np.zeros(len(items), np.float32)
    gain = (1 - rules.diversity) * scores
    while left and len(chosen) < count:
        value = gain - rules.diversity * likeness
        left.remove(row := max(left, key=lambda row: value[row]))
        shown = [items.items[other] for other in chosen]
        item = items.items[row]
        alike = sum(other.category == item.category for other in shown)
        if item.category and rules.per_category is not None and alike >= rules.per_category:
            removed["per_category"] += 1
            continue
        sold = sum(other.seller == item.seller for other in shown)
        if item.seller and rules.per_seller is not None and sold >= rules.per_seller:
            removed["per_seller"] += 1
            continue
        chosen.append(row)
        likeness = np.maximum(likeness, items.vectors @ items.vectors[row])
    return chosen, dict(removed)


def test_what_the_catalogue_says_anew_counts_at_once() -> None:
    items, rules = shelf(6), policy.Policy(policy.Rules(), 3)
    rows, scores = np.arange(6)[None], np.linspace(1, 0, 6, dtype=np.float32)[None]
    nobody = empty(DIMENSIONS)
    assert rules.choose([nobody], rows, scores, items)[0].places == [0, 1, 2]
    vector = pack(items.vectors[1])
    items.put(ItemVector(Item("i1", "Item 1", available=False), vector, "m"))
    items.refresh()
    assert rules.choose([nobody], rows, scores, items)[0].places == [0, 2, 3]
    items.put(ItemVector(Item("i1", "Item 1"), vector, "m"))
    items.refresh()
    assert rules.choose([nobody], rows, scores, items)[0].places == [0, 1, 2]


def test_candidates_lead_to_the_list_of_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    one, items = user(("purchase", "i0"), ("view", "i3")), catalogue()
    whole = ranked(one)
    monkeypatch.setattr(hybrid_module, "EXHAUSTIVE", 0)
    monkeypatch.setattr(hybrid_module, "PROPOSED", len(items))
    assert ranked(one) == whole


def test_a_list_is_filled_though_all_candidates_are_sold_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hybrid_module, "EXHAUSTIVE", 0)
    monkeypatch.setattr(hybrid_module, "PROPOSED", 5)
    sold = {f"i{n}": Item(f"i{n}", "Sold", available=False) for n in range(0, 400, DIMENSIONS)}
    rules = policy.Rules(per_seller=2)
    hybrid = Hybrid([Content(1e6, {}), Popularity(1e6)], rules, 8)
    (found,) = hybrid.recommend([user(("view", "i0"))], shelf(**sold))
    assert len(found.items) == 8
    assert found.removed["unavailable"] == 50
    assert "unavailable" in found.withheld


@pytest.mark.parametrize("whole", [4000, 0])
def test_lists_made_together_are_those_made_alone(
    monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    """Of users who know much, little and nothing, with lists of different lengths."""
    monkeypatch.setattr(hybrid_module, "EXHAUSTIVE", whole)
    monkeypatch.setattr(hybrid_module, "PROPOSED", 30)
    own = {f"i{n}": Item(f"i{n}", f"Own {n}", seller="own") for n in range(390)}
    rules = policy.Rules(per_seller=3, diversity=0.3, blocked=frozenset({"i391"}))
    people = [
        user(*((kind, f"i{n}") for n in range(380, 400) for kind in ("view", "purchase"))),
        user(("view", "i3"), ("purchase", "i395"), ("hide", "i7")),
        user(("purchase", "i1")),
        empty(DIMENSIONS),
    ]
    hybrid = Hybrid([Content(1e6, {}), Popularity(1e6)], rules, 8)
    items = shelf(400, **own)
    together = hybrid.recommend(people, items)
    alone = [hybrid.recommend([one], items)[0] for one in people]
    assert len({len(found.items) for found in together}) > 1
    for found, expected in zip(together, alone, strict=True):
        assert [(i.item_id, i.reasons) for i in found.items] == [
            (i.item_id, i.reasons) for i in expected.items
        ]
        assert (found.removed, found.withheld) == (expected.removed, expected.withheld)


def test_a_list_that_no_item_can_fill_is_not_sought_in_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hybrid_module, "EXHAUSTIVE", 0)
    monkeypatch.setattr(hybrid_module, "PROPOSED", 20)
    own = {f"i{n}": Item(f"i{n}", "Own", seller="own") for n in range(400)}
    hybrid = Hybrid([Content(1e6, {})], policy.Rules(per_seller=2), 8)
    scored: list[int] = []
    score = Hybrid._score

    def watched(self: Hybrid, read, items, rows):  # type: ignore[no-untyped-def]
        scored.append(len(rows))
        return score(self, read, items, rows)

    monkeypatch.setattr(Hybrid, "_score", watched)
    (found,) = hybrid.recommend([user(("view", "i0"))], shelf(**own))
    assert len(found.items) == 2
    assert scored == [20]


def test_what_policy_kept_out_is_told_with_the_list() -> None:
    hybrid = Hybrid([Content(1e6, {})], policy.Rules(), 5)
    interests = Interests(
        hybrid, catalogue(), RULES, dimensions=DIMENSIONS, partitions=1, future_seconds=1,
        changelog="interests",
    )  # fmt: skip
    value = schemas.encode(Behaviour("u", "i0", "purchase"))
    message = Message("behaviours", 0, 0, b"u", value, (), 1e9)
    sent = interests([message], lambda partition, key: None).records
    (told,) = (record.value for record in sent if record.topic == "recommendations")
    found = schemas.decode(told or b"", Recommendations)
    assert found.removed == {"seen": 1, "unavailable": 1}
    assert found.withheld == {"seen": ["i0"], "unavailable": ["i10"]}


def test_a_reason_names_evidence_and_falls_with_it() -> None:
    items = catalogue()
    content = Content(1e6, {})
    row = items.row(hash64("i4"))
    assert row is not None
    reason = reasons(content, user(("purchase", "i0")), [row], items)[0]
    assert reason is not None
    assert "Item 0" in reason.en and "Item 0" in reason.zh
    assert reasons(content, user(("purchase", "i1")), [row], items)[0] is None
    assert reasons(content, user(("purchase", "i0"), ("hide", "i0")), [row], items)[0] is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_of_any_kind_that_counts_for_its_item_can_be_a_reason(kind: str) -> None:
    # Also one that should speak against it: a record may hold what other weights have made.
    one, items = empty(DIMENSIONS), catalogue()
    one.clock = 1e9
    one.events = [Event(1e9, 0, 1, hash64("i0"), KINDS.index(kind), 1.0, 0)]
    row = items.row(hash64("i4"))
    assert row is not None
    (reason,) = reasons(Content(1e6, {}), one, [row], items)
    assert reason is not None
    assert "“Item 0”" in reason.en and "“Item 0”" in reason.zh


def test_popularity_of_trends_decays() -> None:
    items = catalogue()
    popularity = Popularity(half_life=100)
    for item, time in (("i1", 1000.0), ("i2", 900.0)):
        popularity.put(Trend(f"item:{item}", 0, 1, 0, 0, 0, 0, [], 4.0, time, []))
    (scores,) = score(popularity, [empty(DIMENSIONS)], items)
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
