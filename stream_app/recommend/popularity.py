"""What everybody wants lately: the baseline that is hard to beat."""

import math

import numpy as np
from numpy.typing import NDArray

from stream_app.messages.identity import hash64
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.column import Column
from stream_app.recommend.source import ALL, Features, Rows, Source, reason_where, top
from stream_app.schemas import Reason, Trend

MIN_SHARE = 0.25
"""Of the most popular item's score, under which popularity is no reason."""


class Popularity(Source):
    """Popularity of the items' trends, decayed to the newest trend. The same for all users."""

    name = "popularity"

    def __init__(self, half_life: float) -> None:
        """`half_life` in seconds."""
        self._half_life = half_life
        self._clock = 0.0
        self._column = Column()
        self._cache: tuple[object, NDArray[np.float32]] = (None, np.zeros(0, np.float32))
        self._puts = 0

    def put(self, trend: Trend) -> None:
        self._clock = max(self._clock, trend.time)
        self._puts += 1
        if trend.popularity > 0:
            # As a logarithm that no time changes: log2 of what it would have been at time 0.
            level = math.log2(trend.popularity) + trend.time / self._half_life
            self._column[hash64(trend.subject.removeprefix("item:"))] = level

    def score(self, features: Features, items: Catalogue, rows: Rows = ALL) -> NDArray[np.float32]:
        scores = self._scores(items)[rows]
        return np.broadcast_to(scores, (len(features), len(scores)))

    def candidates(
        self, features: Features, items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        return [top(self._scores(items), count)] * len(features)

    def reasons(
        self, features: Features, rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        popular = Reason(self.name, "popular these days", "近期热门")
        return reason_where(self._scores(items)[rows] >= MIN_SHARE, popular)

    def _scores(self, items: Catalogue) -> NDArray[np.float32]:
        """log(1 + popularity) as a share of the highest, [items]; kept until something changes."""
        version = (self._puts, items.version)
        if self._cache[0] != version:
            level = self._column.values(items)
            amount = np.where(level != 0, np.exp2(level - self._clock / self._half_life), 0.0)
            scores = np.log1p(amount).astype(np.float32)
            highest = scores.max(initial=0.0)
            self._cache = (version, scores / highest if highest > 0 else scores)
        return self._cache[1]
