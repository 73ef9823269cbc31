"""What may be shown, after all scores: known, disliked, blocked, unsafe and sold-out items out;
variety. What a rule kept out is counted, and named where it would have stood in the list."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas import Item
from stream_app.identity import hash64
from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue, resized
from stream_app.recommend.source import top

POOL = 10
"""Candidates looked at for each place in the list."""
WITHHELD = 3
"""Items named for each rule."""
OUT = (
    "", "seen", "disliked", "blocked", "unsafe", "unavailable", "per_category", "per_seller",
)  # fmt: skip
"""The rules by number; the first says that an item may be shown."""
SEEN, DISLIKED, BLOCKED, UNSAFE, UNAVAILABLE, *CAPS = range(1, len(OUT))


@dataclass(frozen=True, slots=True)
class Rules:
    """The profile's rules."""

    blocked: frozenset[str] = frozenset()
    """Ids of items, or categories or sellers."""
    unsafe: frozenset[str] = frozenset()
    """Tags of items for adults, recalled ones and the like, in any case."""
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
        self._unsafe = frozenset(tag.lower() for tag in rules.unsafe)
        self._most = (rules.per_category, rules.per_seller)
        self._version = 0
        self._out = np.zeros(0, np.int8)
        """Of each row: the rule of OUT that keeps it from everybody."""
        self._totals = np.zeros(len(OUT), np.int64)
        """Rows of each rule."""
        self._groups = np.zeros((0, len(CAPS)), np.uint64)
        """Of each row: what its caps count together, 0 where there is none."""
        self._longest: int | None = None

    def choose(
        self, user: Interest, rows: NDArray[np.int64], scores: NDArray[np.float32], items: Catalogue
    ) -> Choice:
        """The list by scores [rows]; `rows` ascends, and equal scores stand in its order."""
        self._follow(items)
        own = self._own(user, items)
        known = np.fromiter(own, np.int64, len(own))
        rules = np.fromiter(own.values(), np.int8, len(own))
        # What a user knows is out for that, whatever else keeps it out.
        counts = self._totals - np.bincount(self._out[known], minlength=len(OUT))
        counts += np.bincount(rules, minlength=len(OUT))
        out = self._out[rows]
        places = np.searchsorted(rows, known)
        offered = np.append(rows, -1)[places] == known
        out[places[offered]] = rules[offered]
        chosen, pool, capped = self._vary(np.flatnonzero(out == 0), rows, scores, items)
        counts += np.bincount(capped, minlength=len(OUT))
        out[pool] = capped
        least = scores[chosen[-1]] if chosen and len(chosen) == self._count else -np.inf
        missed = np.where(scores >= least, out, 0)
        removed, withheld = {}, {}
        for number in range(1, len(OUT)):
            if not counts[number]:
                continue
            removed[OUT[number]] = int(counts[number])
            if best := _best(np.flatnonzero(missed == number), scores, WITHHELD):
                withheld[OUT[number]] = [items.items[rows[place]].item_id for place in best]
        return Choice(chosen, removed, withheld)

    def open(self, items: Catalogue) -> NDArray[np.int64]:
        """Rows that are kept from nobody."""
        self._follow(items)
        return np.flatnonzero(self._out == 0)

    def longest(self, items: Catalogue) -> int:
        """Items that a list of this catalogue has at most; the caps may leave still fewer."""
        self._follow(items)
        if self._longest is None:
            rows = self.open(items)
            self._longest = min(self._count, len(rows))
            for column, most in zip(self._groups[rows].T, self._most, strict=True):
                if most is not None:
                    groups, sizes = np.unique(column, return_counts=True)
                    # Those of no group have no cap.
                    room = np.where(groups == 0, sizes, np.minimum(sizes, most))
                    self._longest = min(self._longest, int(room.sum()))
        return self._longest

    def _own(self, user: Interest, items: Catalogue) -> dict[int, int]:
        """Rows that are kept from this user, and the rule of each."""
        disliked = _disliked(user)
        rows = ((items.row(item), item) for item in user.seen)
        return {
            row: DISLIKED if item in disliked else SEEN for row, item in rows if row is not None
        }

    def _follow(self, items: Catalogue) -> None:
        """Know which rows are kept from everybody; only what was put since is looked at."""
        if self._version == items.version:
            return
        self._out = resized(self._out, len(items))
        self._groups = resized(self._groups, len(items))
        for row in items.put_since(self._version).tolist():
            item = items.items[row]
            self._out[row] = self._rule(item)
            names = (item.category, item.seller)
            self._groups[row] = [
                hash64(name) if name and most is not None else 0
                for name, most in zip(names, self._most, strict=True)
            ]
        self._version = items.version
        self._totals = np.bincount(self._out, minlength=len(OUT))
        self._totals[0] = 0
        self._longest = None

    def _rule(self, item: Item) -> int:
        """The rule that keeps an item from everybody; 0: none."""
        if not self._rules.blocked.isdisjoint((item.item_id, item.category, item.seller)):
            return BLOCKED
        if any(tag.lower() in self._unsafe for tag in item.tags):
            return UNSAFE
        return 0 if item.available else UNAVAILABLE

    def _vary(
        self,
        allowed: NDArray[np.int64],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        items: Catalogue,
    ) -> tuple[list[int], list[int], NDArray[np.int8]]:
        """Greedy choice out of the places `allowed`: the best score less the likeness to what is
        chosen, within the caps; the pool that was looked at, and the cap that kept out each."""
        size = self._count * POOL
        while True:
            pool = _best(allowed, scores, size)
            chosen, capped = self._greedy(rows[pool], scores[pool], items)
            # Where one seller fills the pool, the list goes on beyond it.
            if len(chosen) == self._count or len(pool) == len(allowed):
                return [pool[place] for place in chosen], pool, capped
            size *= 4

    def _greedy(
        self, rows: NDArray[np.int64], scores: NDArray[np.float32], items: Catalogue
    ) -> tuple[list[int], NDArray[np.int8]]:
        """Places in the pool, and for each the cap that kept it out where it came first.

        One step a chosen item: a full group is passed over as a whole, not item by item.
        """
        diversity = self._rules.diversity
        groups = self._groups[rows]
        named = groups.tolist()
        vectors = items.vectors[rows] if diversity else None
        gain = value = (1 - diversity) * scores
        likeness = np.zeros(len(rows), np.float32)
        full = np.zeros(groups.shape, bool)
        stopped = np.zeros(len(rows), bool)
        capped = np.zeros(len(rows), np.int8)
        shown: Counter[tuple[int, int]] = Counter()
        chosen: list[int] = []
        most = min(self._count, len(rows))
        while len(chosen) < most:
            best = int(value.argmax())
            if stopped[best]:
                free = np.where(stopped, -np.inf, value)
                best = int(free.argmax())
                passed = stopped & (value > free[best])
                passed[:best] |= stopped[:best] & (value[:best] == free[best])
                capped[passed] = np.where(full[passed, 0], CAPS[0], CAPS[1])
                gain[passed] = -np.inf
                if stopped[best]:
                    break
            if gain[best] == -np.inf:
                break
            gain[best] = -np.inf
            chosen.append(best)
            for kind, (group, cap) in enumerate(zip(named[best], self._most, strict=True)):
                shown[kind, group] += 1
                if group and shown[kind, group] == cap:
                    full[:, kind] |= groups[:, kind] == group
                    stopped |= full[:, kind]
            if vectors is not None and len(chosen) < most:
                np.maximum(likeness, vectors @ vectors[best], out=likeness)
                value = gain - diversity * likeness
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
