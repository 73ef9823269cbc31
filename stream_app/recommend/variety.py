"""A list out of what may be shown: the best score less the likeness to what is chosen already
(MMR, Carbonell and Goldstein 1998), within the caps of groups. For many users at once: a step
fills one place in all lists."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.source import top

NEVER = np.float32(-np.inf)
POOL = 10
"""Candidates looked at for each place in the list."""

Likeness = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Cosines [users, pool] of everything in each user's pool and one place of it [users]."""


class Lists(NamedTuple):
    """What was chosen for each user."""

    places: NDArray[np.int64]
    """Columns of the scores, best first [users, count]; −1 beyond the end of a shorter list."""
    capped: NDArray[np.int8]
    """1 + the number of the cap that kept an item out where it came first, or 0
    [users, columns]."""


def vary(
    scores: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    rows: NDArray[np.int64],
    items: Catalogue,
    *,
    count: int,
    diversity: float,
    groups: NDArray[np.uint64],
    caps: Sequence[int | None],
) -> Lists:
    """Lists of at most `count` out of the `allowed` [users, columns].

    `scores` [users, columns]; of equal ones the first comes first. `rows` [users, columns]: the
    items'. `groups` [users, columns, caps]: what each cap counts together, 0 where it counts
    nothing.
    """
    lists = Lists(np.full((len(scores), count), -1), np.zeros(scores.shape, np.int8))
    offered = np.where(allowed, scores, NEVER)
    there = allowed.sum(1)
    users, size = np.arange(len(scores)), count * POOL
    while len(users):
        pool = _best(offered[users], size)
        own = users[:, None], pool
        chosen, capped = _greedy(
            np.float32(1 - diversity) * offered[own],
            groups[own],
            caps,
            diversity,
            count,
            _likeness(rows[own], items, count) if diversity else None,
        )
        found = pool[np.arange(len(users))[:, None], np.maximum(chosen, 0)]
        lists.places[users, : chosen.shape[1]] = np.where(chosen < 0, -1, found)
        lists.capped[users] = 0
        lists.capped[own] = capped
        # Where one seller fills the pool, the list goes on beyond it.
        short = (lists.places[users] < 0).any(1) & (pool.shape[1] < there[users])
        users, size = users[short], size * 4
    return lists


def _best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Columns of the `count` highest of each row, best first, equal ones in their order."""
    best = np.sort(top(scores, count), axis=1)
    everyone = np.arange(len(scores))[:, None]
    return best[everyone, np.argsort(-scores[everyone, best], axis=1, kind="stable")]


def _greedy(
    gain: NDArray[np.float32],
    groups: NDArray[np.uint64],
    caps: Sequence[int | None],
    diversity: float,
    count: int,
    likeness: Likeness | None,
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Places in the pool [users, steps], −1 where nothing is left, and `capped` [users, pool].

    `gain` [users, pool]: what an item is worth alone, −inf: not offered. A full group is passed
    over as a whole, not item by item.
    """
    everyone, columns = np.arange(len(gain)), np.arange(gain.shape[1])
    steps = min(count, gain.shape[1])
    chosen = np.full((len(gain), steps), -1)
    capped = np.zeros(gain.shape, np.int8)
    most = np.array([np.inf if cap is None else cap for cap in caps])
    shown = np.zeros((len(gain), steps, len(caps)), np.uint64)
    full = np.zeros(groups.shape, bool)
    stopped = np.zeros(gain.shape, bool)
    nearest = np.zeros(gain.shape, np.float32)
    value, stopping = gain, False
    for step in range(steps):
        free = np.where(stopped, NEVER, value) if stopping else value
        best = free.argmax(1)
        highest = free[everyone, best]
        going = highest > NEVER
        if stopping:
            highest = highest[:, None]
            first = (value > highest) | ((value == highest) & (columns < best[:, None]))
            passed = first & stopped & (value > NEVER)
            if passed.any():
                capped[passed] = 1 + full[passed].argmax(1)
                gain[passed] = NEVER
        if not going.any():
            break
        chosen[:, step] = np.where(going, best, -1)
        gain[everyone, best] = NEVER
        own = shown[:, step] = groups[everyone, best]
        filled = ((shown[:, : step + 1] == own[:, None]).sum(1) == most) & (own != 0)
        filled &= going[:, None]
        if filled.any():
            users, cap = np.nonzero(filled)
            full[users, :, cap] |= groups[users, :, cap] == own[users, cap][:, None]
            stopped[users] = full[users].any(2)
            stopping = True
        if likeness is not None and step < steps - 1:
            np.maximum(nearest, likeness(best), out=nearest)
            value = gain - np.float32(diversity) * nearest
    return chosen, capped


def _likeness(rows: NDArray[np.int64], items: Catalogue, count: int) -> Likeness:
    """Within pools `rows` [users, pool]."""
    found, places = np.unique(rows, return_inverse=True)
    if len(found) ** 2 <= rows.size * count:
        # The pools are much the same: one product of all costs less than one for each choice.
        vectors = items.vectors[found]
        table = vectors @ vectors.T
        places = places.reshape(rows.shape)
        everyone = np.arange(len(rows))
        return lambda best: table[places[everyone, best][:, None], places]
    pools = [items.vectors[own] for own in rows]
    return lambda best: np.stack([p @ p[place] for p, place in zip(pools, best, strict=True)])
