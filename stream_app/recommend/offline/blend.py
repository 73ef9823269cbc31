"""Weights of the sources, learnt from what users went on to like."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

PENALTY = 1e-4
CANDIDATES = 100
"""Of each source, the best items that a target is held against."""


class Choices:
    """What was liked, among what could have been: one choice a target."""

    def __init__(self) -> None:
        self._features: list[NDArray[np.float32]] = []

    def __len__(self) -> int:
        return len(self._features)

    def add(self, scores: NDArray[np.float32], target: int, known: NDArray[np.int64]) -> None:
        """A target among all items but `known`, by the scores [sources, items] before it."""
        candidates = np.ones(scores.shape[1], bool)
        candidates[known] = False
        candidates[target] = False
        rows = np.flatnonzero(candidates)
        if len(rows) > CANDIDATES:
            best = [rows[np.argpartition(-own[rows], CANDIDATES)[:CANDIDATES]] for own in scores]
            rows = np.unique(np.concatenate(best))
        # The target stands first.
        self._features.append(scores[:, [target, *rows]].T)

    def learn(self, names: Sequence[str]) -> dict[str, float]:
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

        found = minimize(
            loss, np.ones(len(names)), jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(names)
        )
        return {name: float(weight) for name, weight in zip(names, found.x, strict=True)}
