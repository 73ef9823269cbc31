"""How good rankings are: hits, their places, how much of the catalogue is shown.

Every target is ranked among all items that its user does not know yet (full ranking; sampled
negatives reorder models: Krichene and Rendle, KDD 2020).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

TOP = 10


def rank(
    scores: NDArray[np.float32], target: int, known: NDArray[np.int64]
) -> tuple[int, list[int]]:
    """Place of `target` (0: first) among the items but `known`, and the first `TOP` of them.

    `scores` [items]; equal ones stand in the order of the items. A target among `known` is
    ranked all the same.
    """
    open_scores = scores.astype(np.float64)
    open_scores[known] = -np.inf
    open_scores[target] = scores[target]
    own = open_scores[target]
    place = int((open_scores > own).sum() + (open_scores[:target] == own).sum())
    count = min(TOP, len(scores))
    # Whoever reaches the score of the last place may stand in the list.
    least = np.partition(open_scores, -count)[-count]
    rows = np.flatnonzero(open_scores >= least)
    best = rows[np.lexsort((rows, -open_scores[rows]))][:count]
    return place, [int(row) for row in best if np.isfinite(open_scores[row])]


@dataclass
class Ranks:
    """Places of the targets of one model, and what it would have shown."""

    places: list[int] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    cold_items: list[bool] = field(default_factory=list)
    """The target had no interaction in training."""
    cold_users: list[bool] = field(default_factory=list)
    """The user had no interaction before the target."""
    shown: dict[int, int] = field(default_factory=dict)
    """How often each item stood in a list."""

    def add(
        self, place: int, shown: list[int], user: int, cold_item: bool, cold_user: bool
    ) -> None:
        """One ranked target."""
        self.places.append(place)
        self.users.append(user)
        self.cold_items.append(cold_item)
        self.cold_users.append(cold_user)
        for item in shown:
            self.shown[item] = self.shown.get(item, 0) + 1


def summary(ranks: Ranks, popularity: NDArray[np.float64], seed: int = 7) -> dict[str, object]:
    """The measures of a model.

    `popularity` [items] are the interactions of each item in training; novelty is the mean
    self-information in bits, -log2 of an item's share of them (with one added to each). Intervals
    hold 95% of 1,000 bootstrap samples of users, each with all their targets.
    """
    places = np.array(ranks.places)
    cold_items, cold_users = np.array(ranks.cold_items), np.array(ranks.cold_users)
    gains = np.stack([_hits(places), _gains(places), 1.0 / (places + 1.0)])
    names = (f"hr@{TOP}", f"ndcg@{TOP}", "mrr")
    figures: dict[str, object] = {
        name: round(float(value), 4) for name, value in zip(names, gains.mean(1), strict=True)
    }
    low, high = _intervals(gains, np.array(ranks.users), seed)
    figures["intervals"] = {
        name: [round(float(a), 4), round(float(b), 4)]
        for name, a, b in zip(names, low, high, strict=True)
    }
    for name, part in (("cold_items", cold_items), ("cold_users", cold_users)):
        figures[name] = {"targets": int(part.sum())} | (
            {n: round(float(v), 4) for n, v in zip(names, gains[:, part].mean(1), strict=True)}
            if part.any()
            else {}
        )
    share = (popularity + 1) / (popularity + 1).sum()
    shown = np.array(list(ranks.shown), np.int64)
    often = np.array(list(ranks.shown.values()), np.float64)
    figures["coverage"] = round(len(shown) / len(popularity), 4)
    figures["novelty"] = round(float((often * -np.log2(share[shown])).sum() / often.sum()), 2)
    return figures


def _hits(places: NDArray[np.int64]) -> NDArray[np.float64]:
    return (places < TOP).astype(np.float64)


def _gains(places: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(places < TOP, 1 / np.log2(places + 2.0), 0.0)


def _intervals(
    gains: NDArray[np.float64], users: NDArray[np.int64], seed: int, samples: int = 1000
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """2.5% and 97.5% quantiles of each measure, [measures]."""
    known, number = np.unique(users, return_inverse=True)
    sums = np.stack([np.bincount(number, row, len(known)) for row in gains])
    counts = np.bincount(number, minlength=len(known)).astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(known), np.full(len(known), 1 / len(known)), samples)
    means = (drawn @ sums.T) / (drawn @ counts)[:, None]
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low, high
