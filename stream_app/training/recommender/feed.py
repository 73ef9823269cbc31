"""A recorded log fed through users' records and items' subjects, as the stream does it."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Interest, empty
from stream_app.interests.update import Rules, apply_analysis, apply_behaviour, opinion
from stream_app.messages.identity import hash64
from stream_app.messages.vectors import pack
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.neighbours import steps
from stream_app.schemas import Analysis, Behaviour, Signal
from stream_app.schemas.records import Source as Position
from stream_app.subjects.record import Subject, Windows, apply
from stream_app.subjects.trend import trend
from stream_app.training.recommender.log import Interaction, Log

TOPIC = "interactions"


class Feed:
    """The state after the interactions observed so far, and what the sources make of it."""

    def __init__(self, items: Catalogue, hybrid: Hybrid, rules: Rules, windows: Windows) -> None:
        """`items`: rows in the order of the log's items."""
        dimensions = items.vectors.shape[1]
        self._items = items
        self._hybrid = hybrid
        self._rules = rules
        self._windows = windows
        self._nothing = pack(np.zeros(dimensions, np.float32))
        self._records: dict[int, Interest] = defaultdict(lambda: empty(dimensions))
        self._subjects: dict[int, Subject] = defaultdict(Subject)
        self._known: dict[int, set[int]] = defaultdict(set)
        self._offset = 0

    def known(self, user: int) -> NDArray[np.int64]:
        """Items that the user has met, sorted."""
        return np.array(sorted(self._known[user]), np.int64)

    def scores(self, user: int) -> NDArray[np.float32]:
        """What each source says [sources, items]."""
        scores: NDArray[np.float32] = self._hybrid.scores([self._records[user]], self._items)[:, 0]
        return scores

    def totals(self, user: int) -> NDArray[np.float32]:
        """Their blend [items]."""
        totals: NDArray[np.float32] = self._hybrid.totals([self._records[user]], self._items)[0]
        return totals

    def observe(self, log: Log, row: int) -> None:
        """An interaction became known."""
        given = log.interactions[row]
        user, item = int(log.user[row]), int(log.item[row])
        self._known[user].add(item)
        self._offset += 1
        record = self._records[user]
        event = hash64(str(self._offset))
        intensity: float | None = None
        weight = self._rules.weights.get(given.kind, 0.0)
        if given.kind == "review":
            analysis = self._analysis(given)
            apply_analysis(record, analysis, self._rules)
            intensity = opinion(analysis.intensity, given.stars)
            weight *= max(intensity, 0.0)
        else:
            done = Behaviour(given.user, given.item, given.kind, str(self._offset))  # type: ignore[arg-type]
            apply_behaviour(record, done, TOPIC, self._offset, given.time, self._rules)
        signal = Signal(
            self._offset, event, given.time, intensity, 0, max(weight, 0.0), [],
            steps(record.events, event),
        )  # fmt: skip
        subject = self._subjects[item]
        apply(subject, TOPIC, [signal], self._windows)
        self._hybrid.put(trend(f"item:{given.item}", subject, self._windows, None))
        self._hybrid.refresh()

    def _analysis(self, given: Interaction) -> Analysis:
        """What the stream makes of a review; its intensity is the stars' where there is no text."""
        return Analysis(
            id=str(self._offset), user_id=given.user, text="", language="other",
            sentiment="neutral", probabilities={},
            intensity=given.sentiment,
            topics=[], model="", time=given.time, source=Position(TOPIC, 0, self._offset),
            vector=given.vector or self._nothing, item_id=given.item, stars=given.stars,
        )  # fmt: skip
