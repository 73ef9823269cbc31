"""A varied list out of what may be shown, for many users at once.

Items are chosen one by one: each time the one of the best score less the likeness to what is chosen
already (maximal marginal relevance, MMR; Carbonell and Goldstein 1998), within caps on how many of
one category or seller there may be. Each step fills one place in the lists of all users.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.source import top

NEVER = np.float32(-np.inf)
POOL = 10
"""Candidates for each place in the list."""

Likeness = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""From one place of each user's pool [users]: its cosine to everything in the pool
[users, pool]."""


class Lists(NamedTuple):
    """What was chosen for each user."""

    places: NDArray[np.int64]
    """Columns of the scores, best first [users, count]; −1 beyond the end of a shorter list."""
    capped: NDArray[np.int8]
    """1 + the index of the cap that kept an item out whose turn it would have been, or 0
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
        cells = users[:, None], pool
        chosen, capped = _greedy(
            np.float32(1 - diversity) * offered[cells],
            groups[cells],
            caps,
            diversity,
            count,
            _likeness(rows[cells], items, count) if diversity else None,
        )
        found = pool[np.arange(len(users))[:, None], np.maximum(chosen, 0)]
        lists.places[users, : chosen.shape[1]] = np.where(chosen < 0, -1, found)
        lists.capped[users] = 0
        lists.capped[cells] = capped
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

    `gain` [users, pool]: (1 - diversity) * score, −inf for what is not offered; it is overwritten.
    `groups` [users, pool, caps]. A full group is passed over at once, not item by item.

    For example, one user is offered A, B and C with scores 0.9, 0.8 and 0.5 at a diversity of 0.5,
    so the gains are 0.45, 0.4 and 0.25. A has the highest and comes first. Its cosine to B is 0.9
    and to C 0, so B is now worth 0.4 - 0.5 * 0.9 = -0.05 and C 0.25: C comes second, B third.

    With a cap of one item a seller, and A and B of the same seller, that seller is full after A.
    When B's turn comes, it is capped; C follows, and the third place stays −1.
    """
    everyone, columns = np.arange(len(gain)), np.arange(gain.shape[1])
    steps = min(count, gain.shape[1])
    chosen = np.full((len(gain), steps), -1)
    capped = np.zeros(gain.shape, np.int8)
    most = np.array([np.inf if cap is None else cap for cap in caps])  # [caps]
    shown = np.zeros((len(gain), steps, len(caps)), np.uint64)  # the groups of what was chosen
    full = np.zeros(groups.shape, bool)  # [users, pool, caps]: the item's group is full
    stopped = np.zeros(gain.shape, bool)  # [users, pool]: any of its groups is
    nearest = np.zeros(gain.shape, np.float32)  # [users, pool]: highest cosine to what was chosen
    value, stopping = gain, False  # value [users, pool]: gain less likeness
    for step in range(steps):
        free = np.where(stopped, NEVER, value) if stopping else value  # [users, pool]
        best = free.argmax(1)  # [users]
        highest = free[everyone, best]  # [users]
        going = highest > NEVER  # [users]: something is left
        if stopping:
            # Capped is what comes before the best but for a full group [users, pool].
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
        group = shown[:, step] = groups[everyone, best]  # [users, caps]
        filled = ((shown[:, : step + 1] == group[:, None]).sum(1) == most) & (group != 0)
        filled &= going[:, None]  # [users, caps]: the choice made its group full
        if filled.any():
            users, cap = np.nonzero(filled)
            full[users, :, cap] |= groups[users, :, cap] == group[users, cap][:, None]
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
    pools = [items.vectors[pool] for pool in rows]
    return lambda best: np.stack([p @ p[place] for p, place in zip(pools, best, strict=True)])
