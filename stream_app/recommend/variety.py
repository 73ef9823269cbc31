"""A list out of what may be shown: the best score less the likeness to what is chosen already
(MMR, Carbonell and Goldstein 1998), within the caps of groups. For many users at once: a step a
place in the list, whoever's list it is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.recommend.catalogue import Catalogue

POOL = 10
"""Candidates looked at for each place in the list."""


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

    `scores` [users, columns]; of equal ones the first comes first. `rows` [columns]: the items'.
    `groups` [columns, caps]: what each cap counts together, 0 where it counts nothing.
    """
    lists = Lists(np.full((len(scores), count), -1), np.zeros(scores.shape, np.int8))
    open_scores = np.where(allowed, scores, -np.inf)
    there = allowed.sum(1)
    users, size = np.arange(len(scores)), count * POOL
    while len(users):
        pool = _best(open_scores[users], size)
        chosen, capped = _greedy(
            np.take_along_axis(open_scores[users], pool, 1),
            groups[pool],
            caps,
            diversity,
            count,
            _likeness(rows[pool], items, count) if diversity else None,
        )
        found = np.take_along_axis(pool, np.maximum(chosen, 0), 1)
        lists.places[users, : chosen.shape[1]] = np.where(chosen < 0, -1, found)
        lists.capped[users] = 0
        lists.capped[users[:, None], pool] = capped
        # Where one seller fills the pool, the list goes on beyond it.
        short = (lists.places[users] < 0).any(1) & (pool.shape[1] < there[users])
        users, size = users[short], size * 4
    return lists


def _best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Columns of the `count` highest of each row, best first, equal ones in their order."""
    if count < scores.shape[1]:
        best = np.sort(np.argpartition(scores, -count, axis=1)[:, -count:], axis=1)
        found = np.take_along_axis(scores, best, 1)
        return np.take_along_axis(best, np.argsort(-found, axis=1, kind="stable"), 1)
    return np.argsort(-scores, axis=1, kind="stable")


def _greedy(
    scores: NDArray[np.float32],
    groups: NDArray[np.uint64],
    caps: Sequence[int | None],
    diversity: float,
    count: int,
    likeness: Callable[[NDArray[np.int64]], NDArray[np.float32]] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Places in the pool [users, steps], −1 where nothing is left, and `capped` [users, pool].

    `scores` [users, pool], −inf: not offered. A full group is passed over as a whole, not item by
    item.
    """
    everyone, columns = np.arange(len(scores)), np.arange(scores.shape[1])
    gain = (1 - diversity) * scores
    value = gain.copy()
    nearest = np.zeros(scores.shape, np.float32)
    full = np.zeros(groups.shape, bool)
    stopped = np.zeros(scores.shape, bool)
    capped = np.zeros(scores.shape, np.int8)
    steps = min(count, scores.shape[1])
    chosen = np.full((len(scores), steps), -1)
    shown = np.zeros((len(scores), steps, len(caps)), np.uint64)
    capping = [number for number, cap in enumerate(caps) if cap is not None]
    for step in range(steps):
        free = np.where(stopped, -np.inf, value) if capping else value
        best = free.argmax(1)
        most = free[everyone, best][:, None]
        if capping and stopped.any():
            first = (value > most) | ((value == most) & (columns < best[:, None]))
            passed = stopped & first & (value > -np.inf)
            capped[passed] = np.where(full[passed], np.arange(1, 1 + len(caps)), 127).min(1)
            gain[passed] = value[passed] = -np.inf
        going = most[:, 0] > -np.inf
        if not going.any():
            break
        chosen[going, step] = best[going]
        gain[everyone, best] = value[everyone, best] = -np.inf
        if capping:
            shown[:, step] = groups[everyone, best]
        for number in capping:
            own = shown[:, step, number]
            alike = (shown[:, : step + 1, number] == own[:, None]).sum(1)
            filled = (alike == caps[number]) & (own != 0) & going
            full[filled, :, number] |= groups[filled, :, number] == own[filled, None]
            stopped[filled] |= full[filled, :, number]
        if likeness is not None and step < steps - 1:
            np.maximum(nearest, likeness(best), out=nearest)
            np.subtract(gain, diversity * nearest, out=value)
    return chosen, capped


def _likeness(
    rows: NDArray[np.int64], items: Catalogue, count: int
) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    """Cosines [users, pool] of everything in a pool `rows` [users, pool] and one place in each."""
    found, places = np.unique(rows, return_inverse=True)
    if len(found) ** 2 <= rows.size * count:
        # The pools are much the same: one product of all costs less than one for each choice.
        vectors = items.vectors[found]
        table = vectors @ vectors.T
        places = places.reshape(rows.shape)
        everyone = np.arange(len(rows))
        return lambda best: np.take_along_axis(table[places[everyone, best]], places, 1)
    pools = [items.vectors[own] for own in rows]
    return lambda best: np.stack([p @ p[place] for p, place in zip(pools, best, strict=True)])
