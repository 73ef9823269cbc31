"""Sentiment over event time, by subject: an hour a slot, a week of them."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from stream_app.schemas.records import Sentiment

HOUR = 3600
HOURS = 168
DAY_HOURS = 24
SUBJECTS = 2000
"""Subjects kept: those with the newest reviews."""
LEAST = 5
"""Reviews of the last day, and before it, without which nothing is said of a change."""
ORDER: tuple[Sentiment, ...] = ("negative", "neutral", "positive")
OTHER = "other"
"""What all sentiments are counted as that a later version of the worker has and this page does not
know."""
ALL = "all"
"""The subject of every review."""


class Slot(NamedTuple):
    """Reviews of a stretch of time, counted."""

    start: int
    """Seconds since the epoch."""
    negative: int = 0
    neutral: int = 0
    positive: int = 0


class Move(NamedTuple):
    """How a subject's share of negative reviews changed."""

    subject: str
    reviews: int
    """Of the last day."""
    share: float
    before: float
    z: float
    """Two-proportion test, pooled: above zero the subject got worse."""


class SentimentByHour:
    """Counts of each subject's last HOURS hours of event time, ALL among the subjects.

    One array holds all of them, so that every subject is summed in a millisecond: subject × hour ×
    sentiment. The column of an hour is its number modulo HOURS.
    """

    def __init__(self) -> None:
        self._rows: OrderedDict[str, int] = OrderedDict({ALL: 0})
        """By subject, those with the newest reviews last."""
        self._names = [ALL]
        """By row."""
        self._counts = np.zeros((SUBJECTS, HOURS, len(ORDER)), np.int32)
        self._totals = np.zeros((SUBJECTS, len(ORDER)), np.int64)
        """Sums over the hours."""
        self._newest = 0
        """Number of the newest hour since the epoch."""

    def add(self, subjects: Iterable[str], time: float, sentiment: str) -> None:
        """Count one review in each of its subjects. One that is older than HOURS, or whose
        sentiment this version does not know, is in no chart."""
        hour = int(time // HOUR)
        if hour > self._newest:
            self._advance(hour)
        if hour <= self._newest - HOURS or sentiment not in ORDER:
            return
        column = ORDER.index(sentiment)
        for subject in (*subjects, ALL):
            row = self._row(subject)
            self._counts[row, hour % HOURS, column] += 1
            self._totals[row, column] += 1

    def reviews(self, subject: str) -> int:
        """How many are counted of a subject."""
        row = self._rows.get(subject)
        return 0 if row is None else int(self._totals[row].sum())

    def subjects(self, most: int = SUBJECTS) -> list[str]:
        """Those with a review, most reviews first."""
        totals = self._totals.sum(axis=1)
        order = np.argsort(-totals, kind="stable")[:most]
        return [self._names[row] for row in order if totals[row]]

    def series(self, subject: str, hours: int, step: int) -> list[Slot]:
        """The last `hours` of event time in slots of `step` hours, the newest last."""
        last = self._newest // step
        first = last - hours // step + 1
        numbers = np.arange(first * step, (last + 1) * step)  # (hours,)
        kept = (numbers <= self._newest) & (numbers > self._newest - HOURS)
        row = self._rows.get(subject)
        counts = np.zeros((len(numbers), len(ORDER)), np.int32)  # (hours, sentiments)
        if row is not None:
            counts[kept] = self._counts[row, numbers[kept] % HOURS]
        slots = counts.reshape(-1, step, len(ORDER)).sum(axis=1).tolist()
        return [Slot((first + n) * step * HOUR, *slot) for n, slot in enumerate(slots)]

    def moves(self, most: int = SUBJECTS) -> list[Move]:
        """Subjects by how surely they changed since a day ago, the surest first."""
        day = np.arange(self._newest - DAY_HOURS + 1, self._newest + 1) % HOURS
        recent = self._counts[:, day].sum(axis=1)  # (subjects, sentiments)
        past = self._totals - recent
        n, m = recent.sum(axis=1), past.sum(axis=1)
        enough = (n >= LEAST) & (m >= LEAST)
        enough[0] = False  # all reviews together are no subject that moves
        rows = np.flatnonzero(enough)
        n, m, bad, worse = n[rows], m[rows], recent[rows, 0], past[rows, 0]
        pooled = (bad + worse) / (n + m)
        spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        share, before = bad / n, worse / m
        # Where all reviews are negative, or none, nothing spreads and nothing moved.
        z = np.divide(share - before, spread, out=np.zeros(len(rows)), where=spread > 0)
        return [
            Move(self._names[rows[i]], int(n[i]), float(share[i]), float(before[i]), float(z[i]))
            for i in np.argsort(-np.abs(z), kind="stable")[:most]
            if z[i]
        ]

    def _row(self, subject: str) -> int:
        """The subject's row, as that of the newest; of a new one it is free, or was another's."""
        row = self._rows.get(subject)
        if row is None:
            row = len(self._names)
            if row < SUBJECTS:
                self._names.append(subject)
            else:
                _, row = self._rows.popitem(last=False)
                self._names[row] = subject
                self._counts[row] = 0
                self._totals[row] = 0
            self._rows[subject] = row
        self._rows.move_to_end(subject)
        return row

    def _advance(self, hour: int) -> None:
        """Make room for later hours, up to `hour`, where the oldest ones were."""
        ahead = np.arange(min(hour - self._newest, HOURS))
        columns = (hour - ahead) % HOURS
        self._totals -= self._counts[:, columns].sum(axis=1)
        self._counts[:, columns] = 0
        self._newest = hour
