"""The product's own recommender under evaluation, fed as in the stream."""

import base64
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.batching import Inference
from models.bundle import default_bundle, load
from models.runtime import Model
from schemas import Analysis, ItemVector, Signal
from schemas.records import Source as Position
from stream_app.alerts.subject import Subject, Windows, apply
from stream_app.alerts.trend import trend
from stream_app.identity import hash64
from stream_app.interests.record import Interest, empty
from stream_app.interests.update import DAY, Rules, apply_analysis
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.content import Content
from stream_app.recommend.neighbours import Neighbours, steps
from stream_app.recommend.offline import items
from stream_app.recommend.offline.blend import Choices
from stream_app.recommend.offline.log import Interaction, Log
from stream_app.recommend.popularity import Popularity
from stream_app.recommend.source import Source

SLICE = 9
"""The newest of so many parts of the training log is what the blend is learnt on."""
TOPIC = "interactions"


class Streamed:
    """Feeds a log through records and subjects, and blends the sources' scores.

    The blend is learnt in `fit`, on the newest slice of the training log: each target there is
    scored before it becomes known.
    """

    name = "hybrid"

    def __init__(
        self,
        catalogue: Sequence[ItemVector],
        sources: Sequence[Source],
        rules: Rules,
        windows: Windows,
        dimensions: int,
    ) -> None:
        """`catalogue`: in the order of the log's items."""
        self._items = Catalogue(dimensions)
        for entry in catalogue:
            self._items.put(entry)
        self._items.refresh()
        self._sources = sources
        self._rules = rules
        self._windows = windows
        self._nothing = base64.b64encode(np.zeros(dimensions, "<f4").tobytes()).decode()
        self._records: dict[int, Interest] = defaultdict(lambda: empty(dimensions))
        self._subjects: dict[int, Subject] = defaultdict(Subject)
        self._known: dict[int, set[int]] = defaultdict(set)
        self._offset = 0
        self.weights = {source.name: 1.0 for source in sources}

    def fit(self, training: Log) -> None:
        choices = Choices()
        begin = len(training) - len(training) // SLICE
        for row in range(len(training)):
            user, item = int(training.user[row]), int(training.item[row])
            if row >= begin and training.positive[row] and item not in self._known[user]:
                known = np.array(sorted(self._known[user]), np.int64)
                choices.add(self._scores(user), item, known)
            self.observe(training, row)
        self.weights = choices.learn([source.name for source in self._sources])

    def observe(self, log: Log, row: int) -> None:
        user, item = int(log.user[row]), int(log.item[row])
        self._known[user].add(item)
        analysis = self._analysis(log.interactions[row])
        record = self._records[user]
        apply_analysis(record, analysis, self._rules)
        weight = self._rules.weights["review"] * max(analysis.intensity, 0.0)
        event = hash64(analysis.id)
        signal = Signal(
            self._offset, event, analysis.time, analysis.intensity, 0, weight, [],
            steps(record.events, event),
        )  # fmt: skip
        subject = self._subjects[item]
        apply(subject, TOPIC, [signal], self._windows)
        told = trend(f"item:{analysis.item_id}", subject, self._windows, None)
        for source in self._sources:
            if isinstance(source, Popularity | Neighbours):
                source.put(told)

    def score(self, user: int, now: float) -> NDArray[np.float32]:
        weights = np.array([self.weights[s.name] for s in self._sources], np.float32)
        return weights @ self._scores(user)

    def _scores(self, user: int) -> NDArray[np.float32]:
        """[sources, items]."""
        record = self._records[user]
        return np.stack([source.score([record], self._items)[0] for source in self._sources])

    def _analysis(self, given: Interaction) -> Analysis:
        """What the stream would make of stars alone."""
        self._offset += 1
        opinion = 1.0 if given.stars is None else (given.stars - 3) / 2
        return Analysis(
            id=str(self._offset), user_id=given.user, text="", language="other",
            sentiment="neutral", probabilities={}, intensity=opinion, topics=[], model="",
            time=given.time, source=Position(TOPIC, 0, self._offset), vector=self._nothing,
            item_id=given.item, stars=given.stars,
        )  # fmt: skip


def streamed(
    log: Log, items_file: Path | None, bundle: Path | None, half_life_days: float
) -> Streamed:
    """The recommender with the sources that a log, and texts of its items, can feed.

    Raises LogError for a wrong file and BundleError for a wrong bundle.
    """
    half_life = half_life_days * DAY
    inference = None
    if items_file is not None:
        inference = Inference(Model(load(bundle or default_bundle())))
    catalogue = items.vectors(
        log.items, items.read(items_file) if items_file is not None else {}, inference
    )
    sources: list[Source] = [Neighbours(), Popularity(half_life)]
    if inference is not None:
        sources.insert(0, Content(half_life, {}))
        inference.close()
    rules = Rules({"review": 1.0}, half_life, frozenset({"review"}))
    windows = Windows(DAY, 96, DAY, half_life)
    dimensions = inference.dimensions if inference is not None else 1
    return Streamed(catalogue, sources, rules, windows, dimensions)
