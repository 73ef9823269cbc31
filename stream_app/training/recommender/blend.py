"""Weights of the sources, learnt from what users went on to like."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from stream_app.recommend.source import top
from stream_app.training.recommender.measures import TOP

PENALTY = 1e-4
CANDIDATES = 100
"""Of each source, the best items that a target is held against."""


class Choices:
    """What was liked, among what could have been: one choice a target."""

    def __init__(self) -> None:
        self._features: list[NDArray[np.float32]] = []
        self._asked = 0

    def add(self, scores: NDArray[np.float32], target: int, known: NDArray[np.int64]) -> None:
        """A target among all items but `known`, by the scores [sources, items] before it.

        One that no source has among its best is left out: nothing is learnt on the ranking of
        what comes first from a target that no weights bring there.
        """
        self._asked += 1
        open_scores = scores.copy()
        open_scores[:, known] = -np.inf
        rows = np.unique(top(open_scores, CANDIDATES))
        if target in rows:
            # The target stands first.
            others = rows[(rows != target) & ~np.isin(rows, known)]
            self._features.append(scores[:, [target, *others]].T)

    def learn(
        self, names: Sequence[str], left_out: frozenset[str] = frozenset()
    ) -> dict[str, float]:
        """Weights of the sources, none below zero, by which the targets are likeliest.

        Conditional logit (McFadden, 1974): a target is chosen with a probability proportional to
        the exponent of its weighted scores.
        """
        if not self._features:
            raise ValueError("no target to learn the blend from")
        features = np.concatenate(self._features).astype(np.float64)
        lengths = [len(own) for own in self._features]
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        choice = np.repeat(np.arange(len(lengths)), lengths)

        def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            total = features @ weights
            total -= np.maximum.reduceat(total, starts)[choice]
            odds = np.exp(total)
            sums = np.add.reduceat(odds, starts)
            gap = (odds / sums[choice]) @ features - features[starts].sum(0)
            likelihood = (total[starts] - np.log(sums)).mean()
            penalty = PENALTY * weights @ weights
            return penalty - likelihood, gap / len(lengths) + 2 * PENALTY * weights

        bounds = [(0, 0) if name in left_out else (0, None) for name in names]
        start = [0.0 if name in left_out else 1.0 for name in names]
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return {name: float(weight) for name, weight in zip(names, found.x, strict=True)}

    def ndcg(self, weights: Mapping[str, float]) -> float:
        """NDCG@10 of the blend over all targets added; one left out counts 0."""
        gains = 0.0
        for own in self._features:
            total = own @ np.array(list(weights.values()), np.float32)
            place = int((total[1:] >= total[0]).sum())
            gains += 1 / math.log2(place + 2) if place < TOP else 0.0
        return gains / self._asked
