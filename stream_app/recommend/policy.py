"""What may be shown, after all scores: known, disliked, blocked and sold-out items out; variety."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import Item
from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue

POOL = 10
"""Candidates looked at for each place in the list."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The profile's rules."""

    blocked: frozenset[str] = frozenset()
    """Ids of items, or categories or sellers."""
    per_category: int | None = None
    per_seller: int | None = None
    """Most items of one category or seller in a list."""
    diversity: float = 0.0
    """0…1: how much likeness to items already chosen costs (MMR, Carbonell and Goldstein 1998)."""


class Choice(NamedTuple):
    """The chosen rows, best first, and how many items each rule removed."""

    rows: list[int]
    removed: dict[str, int]


def choose(
    user: Interest, scores: NDArray[np.float32], items: Catalogue, rules: Rules, count: int
) -> Choice:
    """Up to `count` rows by `scores` [items], ties by row."""
    allowed = np.ones(len(items), bool)
    removed: Counter[str] = Counter()
    disliked = _disliked(user)
    for item in user.seen:
        row = items.row(item)
        if row is not None:
            allowed[row] = False
            removed["disliked" if item in disliked else "seen"] += 1
    for row, entry in enumerate(items.items) if rules.blocked else ():
        if allowed[row] and not rules.blocked.isdisjoint(
            (entry.item_id, entry.category, entry.seller)
        ):
            allowed[row] = False
            removed["blocked"] += 1
    ranked = _best(np.where(allowed, scores, -np.inf), count * POOL)
    pool: list[int] = []
    for row in ranked:
        if items.items[row].available:
            pool.append(row)
        else:
            removed["unavailable"] += 1
    return Choice(_vary(pool, scores, items, rules, count, removed), dict(removed))


def _disliked(user: Interest) -> set[int]:
    """Items whose newest event was against them."""
    newest = {event.item: event.value for event in user.events}
    return {item for item, value in newest.items() if value < 0}


def _best(scores: NDArray[np.float32], count: int) -> list[int]:
    """Rows of the highest finite scores, best first."""
    if count < len(scores):
        rows = np.argpartition(-scores, count)[:count]
    else:
        rows = np.arange(len(scores))
    rows = rows[np.isfinite(scores[rows])]
    best: list[int] = rows[np.lexsort((rows, -scores[rows]))].tolist()
    return best


def _vary(
    pool: Sequence[int],
    scores: NDArray[np.float32],
    items: Catalogue,
    rules: Rules,
    count: int,
    removed: Counter[str],
) -> list[int]:
    """Greedy choice: the best score less the likeness to what is chosen, within the caps."""
    chosen: list[int] = []
    vectors = items.vectors[pool]
    gain = (1 - rules.diversity) * scores[pool]
    likeness = np.zeros(len(pool), np.float32)
    shown: Counter[tuple[str, str]] = Counter()
    for _ in pool:
        if len(chosen) == count:
            break
        place = int(np.argmax(gain - rules.diversity * likeness))
        gain[place] = -np.inf
        entry = items.items[pool[place]]
        capped = _capped(entry, rules, shown)
        if capped is not None:
            removed[capped] += 1
            continue
        chosen.append(pool[place])
        shown["category", entry.category] += 1
        shown["seller", entry.seller] += 1
        if rules.diversity:
            likeness = np.maximum(likeness, vectors @ vectors[place])
    return chosen


def _capped(item: Item, rules: Rules, shown: Counter[tuple[str, str]]) -> str | None:
    """The cap that forbids one more of the item's kind. A blank category or seller has none."""
    for kind, name, most in (
        ("category", item.category, rules.per_category),
        ("seller", item.seller, rules.per_seller),
    ):
        if name and most is not None and shown[kind, name] >= most:
            return f"per_{kind}"
    return None
