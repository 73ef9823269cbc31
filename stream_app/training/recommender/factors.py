"""Item factors of a log, and where an item of no history belongs by its text."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.training.recommender.baselines import IALS, matrix
from stream_app.training.recommender.log import Log

PENALTY = 3.0
"""Of the regression from text embedding to factor (ridge)."""


class Factors(NamedTuple):
    """What the collaborative source reads."""

    factors: NDArray[np.float32]
    """[items, factors]; zero for an item that nobody liked."""
    place: NDArray[np.float32]
    """[dimensions, factors]"""
    gram: NDArray[np.float32]
    """[factors, factors]"""
    ridge: float
    alpha: float


def learn(log: Log, texts: NDArray[np.float32]) -> Factors:
    """Factorise the positive interactions by the library `implicit`; `texts` [items, dimensions].

    The regression weighs each item by the logarithm of how many liked it.
    """
    model = IALS()
    model.fit(log)
    factors = np.asarray(model.factors, np.float32)
    count = np.asarray(matrix(log).sum(0)).ravel()
    factors[count == 0] = 0
    weight = np.log1p(count)[:, None].astype(np.float32)
    system = (texts * weight).T @ texts + PENALTY * np.eye(texts.shape[1], dtype=np.float32)
    place = np.linalg.solve(system, (texts * weight).T @ factors).astype(np.float32)
    return Factors(factors, place, factors.T @ factors, model.ridge, model.alpha)
