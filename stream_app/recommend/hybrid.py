"""All sources in one ranking."""

from collections.abc import Mapping, Sequence

import numpy as np

from schemas import Part, Recommendation
from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.policy import Choice, Rules, choose
from stream_app.recommend.source import Source

WEIGHTS: Mapping[str, float] = {"content": 0.4, "neighbours": 0.4, "popularity": 0.2}
"""Share of each source in the blend."""


class Hybrid:
    """A weighted sum of the sources' scores, then policy."""

    def __init__(self, sources: Sequence[Source], rules: Rules, count: int) -> None:
        self._sources = sources
        self._rules = rules
        self._count = count

    def recommend(
        self, users: Sequence[Interest], items: Catalogue
    ) -> list[tuple[list[Recommendation], dict[str, int]]]:
        """For each user the ranked items, and how many items policy removed by rule."""
        if not len(items) or not users:
            return [([], {}) for _ in users]
        scores = {source.name: source.score(users, items) for source in self._sources}
        total = sum(WEIGHTS[name] * score for name, score in scores.items())
        assert isinstance(total, np.ndarray)
        results = []
        for number, user in enumerate(users):
            choice = choose(user, total[number], items, self._rules, self._count)
            parts = {name: score[number] for name, score in scores.items()}
            results.append((self._explain(user, choice, parts, items), choice.removed))
        return results

    def _explain(
        self, user: Interest, choice: Choice, scores: Mapping[str, np.ndarray], items: Catalogue
    ) -> list[Recommendation]:
        reasons = [source.reasons(user, choice.rows, items) for source in self._sources]
        explained = []
        for place, row in enumerate(choice.rows):
            parts = [
                Part(name, round(float(score[row]), 6), WEIGHTS[name])
                for name, score in scores.items()
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
