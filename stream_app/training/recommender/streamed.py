"""The product's own recommender under evaluation: trained on the past, then learning as it goes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_app.schemas import ItemVector
from stream_app.training.recommender import training
from stream_app.training.recommender.log import Log


class Streamed:
    """The hybrid, its blend learnt in `fit`."""

    name = "hybrid"

    def __init__(self, entries: Sequence[ItemVector], plan: training.Plan) -> None:
        """`entries`: in the order of the log's items."""
        self._items = training.catalogue_of(entries)
        self._plan = plan

    def fit(self, log: Log) -> None:
        trained, _ = training.learn(log, self._items, self._plan, "evaluated", "")
        self._feed = training.feed(self._items, trained, trained.config.weights)
        for row in range(len(log)):
            self.observe(log, row)

    def observe(self, log: Log, row: int) -> None:
        self._feed.observe(log, row)

    def score(self, user: int, now: float) -> NDArray[np.float32]:
        return self._feed.totals(user)
