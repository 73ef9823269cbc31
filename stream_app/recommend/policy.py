"""What may be shown, after all scores: known, disliked, blocked, unsafe and sold-out items out;
variety. What a rule kept out is counted, and named where it would have stood in the list."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas import Item
from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.source import top

POOL = 10
"""Candidates looked at for each place in the list."""
WITHHELD = 3
"""Items named for each rule."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The profile's rules."""

    blocked: frozenset[str] = frozenset()
    """Ids of items, or categories or sellers."""
    unsafe: frozenset[str] = frozenset()
    """Tags of items for adults, recalled ones and the like, in lower case."""
    per_category: int | None = None
    per_seller: int | None = None
    """Most items of one category or seller in a list."""
    diversity: float = 0.0
    """0…1: how much likeness to items already chosen costs (MMR, Carbonell and Goldstein 1998)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen places, best first, and what each rule kept out."""

    places: list[int]
    """Indices into the rows that were offered."""
    removed: Mapping[str, int]
    """How many items, by rule."""
    withheld: Mapping[str, list[str]] = field(default_factory=dict)
    """Ids of the best of them that would have stood in the list, by rule."""


class Policy:
    """The rules, applied to one user's scores at a time. One thread calls it."""

    def __init__(self, rules: Rules, count: int) -> None:
        """`count`: items in a list."""
        self._rules = rules
        self._count = count
        self._version = 0
        self._barred: dict[int, str] = {}
        """Row to the rule that keeps it from everybody."""
        self._open = np.zeros(0, bool)
        self._totals: Counter[str] = Counter()

    def choose(
        self, user: Interest, rows: NDArray[np.int64], scores: NDArray[np.float32], items: Catalogue
    ) -> Choice:
        """The list by scores [rows]; `rows` ascends, and equal scores stand in its order."""
        self._follow(items)
        own = self._own(user, items)
        removed = self._totals.copy()
        removed.update(rule for row, rule in own.items() if row not in self._barred)
        allowed = self._open[rows]
        places = np.searchsorted(rows, list(own)) if own else np.zeros(0, np.int64)
        there = places[places < len(rows)]
        allowed[[place for place in there.tolist() if int(rows[place]) in own]] = False
        chosen, capped = self._vary(np.flatnonzero(allowed), rows, scores, items)
        removed.update(capped.values())
        least = scores[chosen[-1]] if len(chosen) == self._count else -np.inf
        near = _best(np.flatnonzero(~allowed & (scores >= least)), scores, self._count * POOL)
        barred = {place: own.get(int(rows[place])) or self._barred[rows[place]] for place in near}
        out = {n: rule for n, rule in (barred | capped).items() if scores[n] >= least}
        withheld: dict[str, list[str]] = {}
        for place in sorted(out, key=lambda n: (-scores[n], n)):
            ids = withheld.setdefault(out[place], [])
            if len(ids) < WITHHELD:
                ids.append(items.items[rows[place]].item_id)
        return Choice(chosen, dict(removed), withheld)

    def _own(self, user: Interest, items: Catalogue) -> dict[int, str]:
        """Rows that are kept from this user."""
        disliked = _disliked(user)
        rows = ((items.row(item), item) for item in user.seen)
        return {
            row: "disliked" if item in disliked else "seen" for row, item in rows if row is not None
        }

    def _follow(self, items: Catalogue) -> None:
        """Know which rows are kept from everybody; costs as much as was put since."""
        if self._version == items.version:
            return
        open_rows = np.ones(len(items), bool)
        kept = min(len(self._open), len(items))
        open_rows[:kept] = self._open[:kept]
        self._barred = {row: rule for row, rule in self._barred.items() if row < len(items)}
        for row in items.put_since(self._version).tolist():
            rule = self._rule(items.items[row])
            open_rows[row] = rule is None
            self._barred.pop(row, None)
            if rule is not None:
                self._barred[row] = rule
        self._open, self._version = open_rows, items.version
        self._totals = Counter(self._barred.values())

    def _rule(self, item: Item) -> str | None:
        """The rule that keeps an item from everybody."""
        if not self._rules.blocked.isdisjoint((item.item_id, item.category, item.seller)):
            return "blocked"
        if any(tag.lower() in self._rules.unsafe for tag in item.tags):
            return "unsafe"
        return None if item.available else "unavailable"

    def _vary(
        self,
        allowed: NDArray[np.int64],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        items: Catalogue,
    ) -> tuple[list[int], dict[int, str]]:
        """Greedy choice out of the places `allowed`: the best score less the likeness to what is
        chosen, within the caps; and the places that a cap kept out."""
        size = self._count * POOL
        while True:
            pool = _best(allowed, scores, size)
            chosen, capped = self._greedy(pool, rows, scores, items)
            # Where one seller fills the pool, the list goes on beyond it.
            if len(chosen) == self._count or len(pool) == len(allowed):
                return chosen, capped
            size *= 4

    def _greedy(
        self,
        pool: Sequence[int],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        items: Catalogue,
    ) -> tuple[list[int], dict[int, str]]:
        rules = self._rules
        chosen: list[int] = []
        capped: dict[int, str] = {}
        shown: Counter[tuple[str, str]] = Counter()
        gain = (1 - rules.diversity) * scores[list(pool)]
        likeness = np.zeros(len(pool), np.float32)
        vectors = items.vectors[rows[list(pool)]] if rules.diversity else None
        for _ in pool:
            if len(chosen) == self._count:
                break
            place = int(np.argmax(gain - rules.diversity * likeness))
            gain[place] = -np.inf
            item = items.items[rows[pool[place]]]
            cap = _capped(item, rules, shown)
            if cap is not None:
                capped[pool[place]] = cap
                continue
            chosen.append(pool[place])
            shown["category", item.category] += 1
            shown["seller", item.seller] += 1
            if vectors is not None:
                likeness = np.maximum(likeness, vectors @ vectors[place])
        return chosen, capped


def _disliked(user: Interest) -> set[int]:
    """Items whose newest event was against them."""
    newest = {event.item: event.value for event in user.events}
    return {item for item, value in newest.items() if value < 0}


def _best(places: NDArray[np.int64], scores: NDArray[np.float32], count: int) -> list[int]:
    """The places of the highest scores, best first."""
    if count < len(places):
        places = places[top(scores[places], count)]
    best: list[int] = places[np.lexsort((places, -scores[places]))].tolist()
    return best


def _capped(item: Item, rules: Rules, shown: Counter[tuple[str, str]]) -> str | None:
    """The cap that forbids one more of the item's kind. A blank category or seller has none."""
    for kind, name, most in (
        ("category", item.category, rules.per_category),
        ("seller", item.seller, rules.per_seller),
    ):
        if name and most is not None and shown[kind, name] >= most:
            return f"per_{kind}"
    return None
