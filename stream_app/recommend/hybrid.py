"""All sources in one ranking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.policy import Policy, Rules
from stream_app.recommend.source import ALL, Features, Rows, Source
from stream_app.recommend.weights import WEIGHTS
from stream_app.schemas import Part, Reason, Recommendation, Trend
from stream_app.subjects.pairs import unpack

EXHAUSTIVE = 4_000
"""Items up to which all are scored; of more, only what some source proposes."""
CELLS = 2**18
"""Users times items that are ranked at once; each takes about 100 bytes on the way."""
PROPOSED = 100
"""Items that each source proposes for a user."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A user's list, and what policy kept out of it."""

    items: list[Recommendation] = field(default_factory=list)
    removed: Mapping[str, int] = field(default_factory=dict)
    withheld: Mapping[str, list[str]] = field(default_factory=dict)


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
        self.sources = [source for source in sources if weights.get(source.name, 0.0) > 0]
        self._policy = Policy(rules, count)
        self._names = [source.name for source in self.sources]
        self._weights = [weights[name] for name in self._names]
        self._weights32 = np.array(self._weights, np.float32)
        self._trends: dict[str, Trend] = {}

    def put(self, trend: Trend) -> None:
        """Queue a subject's newest trend; raises Invalid. From any thread: the sources get it with
        the next batch, so that none of them changes under a running score."""
        if trend.subject.startswith("item:"):
            unpack(trend.neighbours)
            self._trends[trend.subject] = trend

    def refresh(self) -> None:
        """Hand the queued trends to the sources."""
        while self._trends:
            _, trend = self._trends.popitem()
            for source in self.sources:
                source.put(trend)

    def recommend(self, users: Sequence[Interest], items: Catalogue) -> list[Ranked]:
        """For each user the ranked items, and what policy kept out."""
        self.refresh()
        if not len(items) or not users:
            return [Ranked() for _ in users]
        exhaustive = len(items) <= EXHAUSTIVE
        make = self._of_all if exhaustive else self._of_some
        step = max(CELLS // (len(items) if exhaustive else PROPOSED * len(self.sources)), 1)
        parts = (users[at : at + step] for at in range(0, len(users), step))
        return [ranked for part in parts for ranked in make(part, items)]

    def _of_all(self, users: Sequence[Interest], items: Catalogue) -> list[Ranked]:
        """The lists where every item of the catalogue is scored."""
        features = self._features(users, items)
        rows = np.broadcast_to(np.arange(len(items)), (len(users), len(items)))
        return self._lists(users, features, rows, self._score(features, items), items)

    def _of_some(self, users: Sequence[Interest], items: Catalogue) -> list[Ranked]:
        """The lists out of what some source proposes, where the catalogue is large."""
        features = self._features(users, items)
        proposed = [
            source.candidates(known, items, PROPOSED)
            for source, known in zip(self.sources, features, strict=True)
        ]
        offers = [np.unique(np.concatenate(found)) for found in zip(*proposed, strict=True)]
        ranked = self._offered(users, features, offers, items)
        longest = self._policy.longest(items)
        for place, user in enumerate(users):
            if len(ranked[place].items) < longest:
                # Policy took too much of what is best; there is more.
                more = np.union1d(offers[place], self._policy.open(items))
                (ranked[place],) = self._offered([user], _of(features, place), [more], items)
        return ranked

    def _offered(
        self,
        users: Sequence[Interest],
        features: Sequence[Features],
        offers: Sequence[NDArray[np.int64]],
        items: Catalogue,
    ) -> list[Ranked]:
        """The lists out of `offers`: for each user other rows."""
        columns = max(map(len, offers))
        rows = np.full((len(users), columns), -1)
        scores = np.zeros((len(self.sources), len(users), columns), np.float32)
        for place, offer in enumerate(offers):
            rows[place, : len(offer)] = offer
            scores[:, place, : len(offer)] = self._score(_of(features, place), items, offer)[:, 0]
        return self._lists(users, features, rows, scores, items)

    def scores(
        self, users: Sequence[Interest], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        """Each source's scores [sources, users, rows], before weights and policy."""
        return self._score(self._features(users, items), items, rows)

    def _features(self, users: Sequence[Interest], items: Catalogue) -> list[Features]:
        """The users' features, by source."""
        return [source.features(users, items) for source in self.sources]

    def _score(
        self, features: Sequence[Features], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        """The scores [sources, users, rows] by features of the users."""
        return np.stack([
            source.score(known, items, rows)
            for source, known in zip(self.sources, features, strict=True)
        ])  # fmt: skip

    def totals(
        self, users: Sequence[Interest], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        """The blend [users, rows], before policy."""
        total: NDArray[np.float32] = np.tensordot(
            self._weights32, self.scores(users, items, rows), 1
        )
        return total

    def _lists(
        self,
        users: Sequence[Interest],
        features: Sequence[Features],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        items: Catalogue,
    ) -> list[Ranked]:
        """The lists by `scores` [sources, users, columns] of `rows` [users, columns], −1 at the
        end of a shorter row."""
        choices = self._policy.choose(users, rows, np.tensordot(self._weights32, scores, 1), items)
        longest = max(len(choice.places) for choice in choices)
        if not longest:
            return [Ranked([], choice.removed, choice.withheld) for choice in choices]
        places = np.array([
            choice.places + [-1] * (longest - len(choice.places)) for choice in choices
        ])  # fmt: skip
        everyone = np.arange(len(users))[:, None]
        chosen = np.where(places < 0, -1, rows[everyone, places])
        explained = self._explain(features, chosen, scores[:, everyone, places], items)
        return [
            Ranked(recommended, choice.removed, choice.withheld)
            for recommended, choice in zip(explained, choices, strict=True)
        ]

    def _explain(
        self,
        features: Sequence[Features],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        items: Catalogue,
    ) -> list[list[Recommendation]]:
        """The chosen items with their parts and reasons. `rows` [users, list], −1 where a list is
        shorter; `scores` [sources, users, list]."""
        reasons = [
            source.reasons(known, rows, items)
            for source, known in zip(self.sources, features, strict=True)
        ]
        shown = scores.astype(np.float64).round(6)
        totals = np.tensordot(np.array(self._weights), shown, 1).round(6).tolist()
        explained = []
        for listed, parts, total, *why in zip(
            rows.tolist(), np.moveaxis(shown, 0, 2).tolist(), totals, *reasons, strict=True
        ):
            lines = zip(listed, parts, total, zip(*why, strict=True), strict=True)
            explained.append([self._line(*line, items) for line in lines if line[0] >= 0])
        return explained

    def _line(
        self,
        row: int,
        scores: list[float],
        total: float,
        why: tuple[Reason | None, ...],
        items: Catalogue,
    ) -> Recommendation:
        item = items.items[row]
        parts = list(map(Part, self._names, scores, self._weights))
        given = [reason for reason in why if reason is not None]
        return Recommendation(item.item_id, item.title, total, parts, given)


def _of(features: Sequence[Features], place: int) -> list[Features]:
    """One user's features, by source."""
    return [known[place : place + 1] for known in features]
