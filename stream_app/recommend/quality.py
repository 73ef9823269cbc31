"""What reviews say of an item, whoever reads it."""

import numpy as np
from numpy.typing import NDArray

from stream_app.messages.identity import hash64
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.column import Column
from stream_app.recommend.source import ALL, Features, Rows, Source, reason_where
from stream_app.schemas import Reason, Trend

PRIOR = 5.0
"""Reviews of no opinion that every item starts with: few real ones say little."""
MIN_OPINION, MIN_REVIEWS = 0.3, 2.0
"""Mean opinion and decayed number of reviews from which quality is a reason."""


class Quality(Source):
    """Mean opinion of an item's reviews, drawn to 0 where they are few. The same for all users."""

    name = "quality"

    def __init__(self) -> None:
        self._opinion, self._count = Column(), Column()

    def put(self, trend: Trend) -> None:
        item = hash64(trend.subject.removeprefix("item:"))
        self._opinion[item] = trend.opinion
        self._count[item] = trend.opinions

    def score(self, features: Features, items: Catalogue, rows: Rows = ALL) -> NDArray[np.float32]:
        opinion, count = self._opinion.values(items)[rows], self._count.values(items)[rows]
        scores = (opinion * count / (count + PRIOR)).astype(np.float32)
        return np.broadcast_to(scores, (len(features), len(scores)))

    def candidates(
        self, features: Features, items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        # What is praised by all is not yet for anybody: it ranks what other sources propose.
        return [np.empty(0, np.int64) for _ in features]

    def reasons(
        self, features: Features, rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        praised = Reason(self.name, "its reviews praise it", "评论多为称赞")
        opinion, count = self._opinion.values(items)[rows], self._count.values(items)[rows]
        return reason_where((opinion >= MIN_OPINION) & (count >= MIN_REVIEWS), praised)
