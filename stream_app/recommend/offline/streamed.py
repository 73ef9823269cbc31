"""The product's own recommender under evaluation: trained on the past, then learning as it goes."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import ItemVector
from stream_app.recommend.offline import training
from stream_app.recommend.offline.log import Log


class Streamed:
    """All sources of the hybrid, their blend learnt in `fit`."""

    name = "hybrid"

    def __init__(self, entries: Sequence[ItemVector], dimensions: int, plan: training.Plan) -> None:
        """`entries`: in the order of the log's items."""
        self._items = training.catalogue_of(entries, dimensions)
        self._plan = plan
        self.learnt: training.Learnt | None = None

    def fit(self, log: Log) -> None:
        self.learnt = training.learn(log, self._items, self._plan, "evaluated", "")
        trained = self.learnt.trained
        self._say = _say(trained.config.weights)
        self._feed = training.feed(self._items, trained)
        for row in range(len(log)):
            self.observe(log, row)

    def observe(self, log: Log, row: int) -> None:
        self._feed.observe(log, row)

    def score(self, user: int, now: float) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._say @ self._feed.scores(user)
        return scores


def _say(weights: Mapping[str, float]) -> NDArray[np.float32]:
    return np.array(list(weights.values()), np.float32)
