"""All models over one split, target by target."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from stream_app.interests.update import DAY
from stream_app.training import recommender as offline
from stream_app.training.recommender import protocol as protocols
from stream_app.training.recommender.baselines import Baseline, Scores
from stream_app.training.recommender.log import Log
from stream_app.training.recommender.measures import Ranks, rank, summary


class Evaluated(Protocol):
    """A recommender under evaluation: fitted once, then given each interaction that becomes
    known."""

    @property
    def name(self) -> str: ...

    def fit(self, training: Log) -> None: ...

    def observe(self, log: Log, row: int) -> None:
        """An interaction became known."""
        ...

    def score(self, user: int, now: float) -> Scores:
        """Scores [items] for a user at a time."""
        ...


class Frozen:
    """A baseline with the histories of all users; frozen at the split, or retrained `daily`."""

    def __init__(self, baseline: Baseline, *, daily: bool = False) -> None:
        self.name = baseline.name
        self._baseline = baseline
        self._daily = daily
        self._day = 0.0
        self._grown: tuple[Log, int] | None = None
        self._histories: dict[int, list[int]] = defaultdict(list)

    def fit(self, training: Log) -> None:
        self._training = training
        self._day = training.time[-1] // DAY
        self._baseline.fit(training)
        for row in range(len(training)):
            self._remember(training, row)

    def observe(self, log: Log, row: int) -> None:
        self._remember(log, row)
        self._grown = (log, row + 1)

    def score(self, user: int, now: float) -> Scores:
        if self._daily and now // DAY > self._day:
            self._day = now // DAY
            if self._grown is not None:
                self._baseline.fit(self._training.joined(*self._grown))
        return self._baseline.score(self._histories.get(user, []))

    def _remember(self, log: Log, row: int) -> None:
        if log.positive[row]:
            self._histories[int(log.user[row])].append(int(log.item[row]))


def evaluate(log: Log, protocol: offline.Protocol, models: Sequence[Evaluated]) -> dict[str, Any]:
    """Figures of each model: `protocol`, `events` (the targets), `items`, `users`, `results`."""
    training, rest, target, grows = protocols.split(log, protocol)
    progress = tqdm(models, desc="fit", unit="model")
    for model in progress:
        progress.set_postfix_str(model.name)
        model.fit(training)
    known: dict[int, set[int]] = defaultdict(set)
    for _, user, item, _, _ in protocols.numbered(training):
        known[user].add(item)
    liked = training.item[training.positive]
    popularity = np.bincount(liked, minlength=len(log.items)).astype(np.float64)
    trained = np.bincount(training.item, minlength=len(log.items)) > 0
    ranks = {model.name: Ranks() for model in models}
    for row, user, item, time, _ in tqdm(
        list(protocols.numbered(rest)), desc="rank", unit="event", mininterval=5
    ):
        if target[row]:
            out = np.array(sorted(known[user]), np.int64)
            for model in models:
                place, shown = rank(model.score(user, time), item, out)
                ranks[model.name].add(place, shown, user, not trained[item], not len(out))
        if grows:
            known[user].add(item)
            for model in models:
                model.observe(rest, row)
    return {
        "protocol": protocol,
        "events": int(target.sum()),
        "training": len(training),
        "users": len(log.users),
        "items": len(log.items),
        "results": {name: summary(each, popularity) for name, each in ranks.items()},
    }
