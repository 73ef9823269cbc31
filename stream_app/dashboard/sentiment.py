"""Sentiment over event time, by subject: an hour a slot, a week of them."""

from collections import OrderedDict
from collections.abc import Iterable
from math import sqrt
from typing import NamedTuple

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


class Moods:
    """Counts of each subject's hours."""

    def __init__(self) -> None:
        self._subjects: OrderedDict[str, dict[int, list[int]]] = OrderedDict()
        self._newest = 0
        self._moves: list[Move] | None = None

    def add(self, subjects: Iterable[str], time: float, sentiment: str) -> None:
        """Count one review in each of its subjects; not one of a sentiment unknown here."""
        if sentiment not in ORDER:
            return
        hour, column = int(time // HOUR), ORDER.index(sentiment)
        self._newest = max(self._newest, hour)
        self._moves = None
        for subject in (ALL, *subjects):
            hours = self._subjects.setdefault(subject, {})
            self._subjects.move_to_end(subject)
            hours.setdefault(hour, [0, 0, 0])[column] += 1
            if len(hours) > HOURS:
                del hours[min(hours)]
        self._subjects.move_to_end(ALL)
        while len(self._subjects) > SUBJECTS:
            self._subjects.popitem(last=False)

    def reviews(self, subject: str) -> int:
        """How many are counted of a subject."""
        return sum(sum(counts) for counts in self._subjects.get(subject, {}).values())

    def subjects(self) -> list[str]:
        """All with a review, most reviews first."""
        return sorted(self._subjects, key=lambda subject: (-self.reviews(subject), subject))

    def series(self, subject: str, hours: int, step: int) -> list[Slot]:
        """The last `hours` of event time in slots of `step` hours, the newest last."""
        counts = self._subjects.get(subject, {})
        last = self._newest // step
        slots = []
        for index in range(last - hours // step + 1, last + 1):
            within = [counts.get(index * step + hour, (0, 0, 0)) for hour in range(step)]
            slots.append(Slot(index * step * HOUR, *(sum(c) for c in zip(*within, strict=True))))
        return slots

    def moves(self) -> list[Move]:
        """Subjects by how surely they changed since a day ago, the surest first."""
        if self._moves is None:
            moves = (self._move(subject) for subject in self._subjects if subject != ALL)
            self._moves = sorted(
                (move for move in moves if move is not None and move.z),
                key=lambda move: (-abs(move.z), move.subject),
            )
        return self._moves

    def _move(self, subject: str) -> Move | None:
        edge = self._newest - DAY_HOURS
        oldest = self._newest - HOURS
        recent = [c for hour, c in self._subjects[subject].items() if hour > edge]
        past = [c for hour, c in self._subjects[subject].items() if oldest < hour <= edge]
        n, m = (sum(sum(counts) for counts in part) for part in (recent, past))
        if n < LEAST or m < LEAST:
            return None
        bad, worse = (sum(counts[0] for counts in part) for part in (recent, past))
        pooled = (bad + worse) / (n + m)
        spread = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        share, before = bad / n, worse / m
        return Move(subject, n, share, before, (share - before) / spread if spread else 0.0)
