"""What everybody wants lately: the baseline that is hard to beat."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import Reason, Trend
from stream_app.identity import hash64
from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue

MIN_SHARE = 0.25
"""Of the most popular item's score, under which popularity is no reason."""


class Popularity:
    """Popularity of the items' trends, decayed to the newest trend.

    The same for all users. `put` may be called from any thread.
    """

    name = "popularity"

    def __init__(self, half_life: float) -> None:
        """`half_life` in seconds."""
        self._half_life = half_life
        self._clock = 0.0
        self._known: dict[int, tuple[float, float]] = {}
        self._version = 0
        self._cache: tuple[tuple[int, int], NDArray[np.float32]] | None = None

    def put(self, trend: Trend) -> None:
        """Take an item's newest trend; others are ignored."""
        kind, _, item_id = trend.subject.partition(":")
        if kind == "item":
            self._known[hash64(item_id)] = (trend.popularity, trend.time)
            self._clock = max(self._clock, trend.time)
            self._version += 1

    def score(self, users: Sequence[Interest], items: Catalogue) -> NDArray[np.float32]:
        scores = self._scores(items)
        return np.broadcast_to(scores, (len(users), len(items)))

    def reasons(self, user: Interest, rows: Sequence[int], items: Catalogue) -> list[Reason | None]:
        popular = Reason(self.name, "popular these days", "近期热门")
        return [popular if share >= MIN_SHARE else None for share in self._scores(items)[rows]]

    def _scores(self, items: Catalogue) -> NDArray[np.float32]:
        """log(1 + popularity) as a share of the highest, [items]; kept until something changes."""
        version = (self._version, items.version)
        if self._cache is None or self._cache[0] != version:
            self._cache = (version, self._compute(items))
        return self._cache[1]

    def _compute(self, items: Catalogue) -> NDArray[np.float32]:
        scores = np.zeros(len(items), np.float32)
        for item, (popularity, time) in list(self._known.items()):
            row = items.row(item)
            if row is not None:
                scores[row] = popularity * 0.5 ** ((self._clock - time) / self._half_life)
        scores = np.log1p(scores)
        top = scores.max(initial=0.0)
        return scores / top if top > 0 else scores
