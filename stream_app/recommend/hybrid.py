"""All sources in one ranking."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import Part, Recommendation, Trend
from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.policy import Choice, Rules, choose
from stream_app.recommend.source import ALL, Rows, Source

WEIGHTS: Mapping[str, float] = {
    "content": 0.35, "neighbours": 0.35, "popularity": 0.2, "quality": 0.1,
}  # fmt: skip
"""Share of each source in the blend, where none was learnt from a log."""
WHOLE = 4_000
"""Items up to which all are scored; of more, only what some source proposes."""
PROPOSED = 100
"""Items that each source proposes for a user."""


class Hybrid:
    """A weighted sum of the sources' scores, then policy."""

    def __init__(
        self,
        sources: Sequence[Source],
        rules: Rules,
        count: int,
        weights: Mapping[str, float] = WEIGHTS,
    ) -> None:
        """`weights` by the sources' names; a source without weight is left out."""
        self._sources = [source for source in sources if weights.get(source.name, 0.0) > 0]
        self._rules = rules
        self._count = count
        self._weights = weights
        self._trends: dict[str, Trend] = {}

    def put(self, trend: Trend) -> None:
        """Take a subject's newest trend. From any thread: the sources read it with the next batch,
        so that none of them changes under a running score."""
        if trend.subject.startswith("item:"):
            self._trends[trend.subject] = trend

    def refresh(self) -> None:
        """Let the sources read the trends that came."""
        while self._trends:
            _, trend = self._trends.popitem()
            for source in self._sources:
                source.put(trend)

    def recommend(
        self, users: Sequence[Interest], items: Catalogue
    ) -> list[tuple[list[Recommendation], dict[str, int]]]:
        """For each user the ranked items, and how many items policy removed by rule."""
        self.refresh()
        if not len(items) or not users:
            return [([], {}) for _ in users]
        if len(items) <= WHOLE:
            scores = self.scores(users, items)
            return [
                self._result(user, scores[:, number], ALL, items)
                for number, user in enumerate(users)
            ]
        proposed = [source.candidates(users, items, PROPOSED) for source in self._sources]
        results = []
        for user, *rows in zip(users, *proposed, strict=True):
            union = np.unique(np.concatenate(rows))
            results.append(
                self._result(user, self.scores([user], items, union)[:, 0], union, items)
            )
        return results

    def scores(
        self, users: Sequence[Interest], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        """What each source says, [sources, users, rows]."""
        return np.stack([source.score(users, items, rows) for source in self._sources])

    def _result(
        self, user: Interest, scores: NDArray[np.float32], rows: Rows, items: Catalogue
    ) -> tuple[list[Recommendation], dict[str, int]]:
        """The choice by scores [sources, rows]."""
        say = np.array([self._weights[source.name] for source in self._sources], np.float32)
        total = np.full(len(items), -np.inf, np.float32)
        total[rows] = say @ scores
        choice = choose(user, total, items, self._rules, self._count)
        places = np.searchsorted(rows, choice.rows) if not isinstance(rows, slice) else choice.rows
        return self._explain(user, choice, scores[:, places], items), choice.removed

    def _explain(
        self, user: Interest, choice: Choice, scores: NDArray[np.float32], items: Catalogue
    ) -> list[Recommendation]:
        """`scores` [sources, chosen rows]."""
        reasons = [source.reasons(user, choice.rows, items) for source in self._sources]
        explained = []
        for place, row in enumerate(choice.rows):
            parts = [
                Part(source.name, round(float(score), 6), self._weights[source.name])
                for source, score in zip(self._sources, scores[:, place], strict=True)
            ]
            explained.append(
                Recommendation(
                    item_id=items.items[row].item_id,
                    title=items.items[row].title,
                    score=round(sum(part.score * part.weight for part in parts), 6),
                    parts=parts,
                    reasons=[why for own in reasons if (why := own[place]) is not None],
                )
            )
        return explained
