"""A recorded log fed through users' records and items' subjects, as the stream does it."""

import base64
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import Analysis, Behaviour, Signal
from schemas.records import Source as Position
from stream_app.alerts.subject import Subject, Windows, apply
from stream_app.alerts.trend import trend
from stream_app.identity import hash64
from stream_app.interests.record import Interest, empty
from stream_app.interests.update import Rules, apply_analysis, apply_behaviour, opinion
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.neighbours import steps
from stream_app.recommend.offline.log import Interaction, Log
from stream_app.recommend.source import Source

TOPIC = "interactions"


class Feed:
    """The state after the interactions observed so far, and what the sources make of it."""

    def __init__(
        self, items: Catalogue, sources: Sequence[Source], rules: Rules, windows: Windows
    ) -> None:
        """`items`: rows in the order of the log's items."""
        dimensions = items.vectors.shape[1]
        self._items = items
        self._sources = sources
        self._rules = rules
        self._windows = windows
        self._nothing = base64.b64encode(np.zeros(dimensions, "<f4").tobytes()).decode()
        self._records: dict[int, Interest] = defaultdict(lambda: empty(dimensions))
        self._subjects: dict[int, Subject] = defaultdict(Subject)
        self._known: dict[int, set[int]] = defaultdict(set)
        self._offset = 0

    def known(self, user: int) -> NDArray[np.int64]:
        """Items that the user has met, sorted."""
        return np.array(sorted(self._known[user]), np.int64)

    def scores(self, user: int) -> NDArray[np.float32]:
        """What each source says [sources, items]."""
        record = self._records[user]
        return np.stack([source.score([record], self._items)[0] for source in self._sources])

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
        told = trend(f"item:{given.item}", subject, self._windows, None)
        for source in self._sources:
            source.put(told)

    def _analysis(self, given: Interaction) -> Analysis:
        """What the stream makes of a review; its opinion is the stars' where no text was read."""
        stars = 0.0 if given.stars is None else (given.stars - 3) / 2
        return Analysis(
            id=str(self._offset), user_id=given.user, text="", language="other",
            sentiment="neutral", probabilities={},
            intensity=stars if given.intensity is None else given.intensity,
            topics=[], model="", time=given.time, source=Position(TOPIC, 0, self._offset),
            vector=given.vector or self._nothing, item_id=given.item, stars=given.stars,
        )  # fmt: skip
