"""Signals to each subject's record, its trend, and the alerts of its surges."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from stream_app import schemas
from stream_app.alerts.notice import evidence, notices
from stream_app.alerts.surge import Surge, SurgeRule, Window, judge
from stream_app.emerging.discovered import SUBJECT, Discovered
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import REFRESH, Message, Record, Result, State, StateReader
from stream_app.processors.analyse import alert_record
from stream_app.processors.kept import Batch, Shelf
from stream_app.processors.validity import check_key
from stream_app.schemas import Alert, Invalid, Signals
from stream_app.subjects.record import Subject, Windows, apply, decode, encode
from stream_app.subjects.trend import trend
from stream_app.telemetry import metrics

STAGE = "watch"
JUDGED = 1024
"""Judgements cached: a subject's closed windows seldom change from one batch to the next."""


@dataclass(slots=True)
class _Touched:
    partition: int
    subject: Subject
    surges: list[Surge]
    """As they were judged last."""
    alerts: list[Alert] = field(default_factory=list)


class Watch:
    """Counts by event time, and judges the closed windows each time that one closes, so that the
    alerts do not depend on where a batch ends.

    A redelivered signal changes nothing and sends trend and state again. Not the alerts: what
    stands in the state has been sent, for outputs are delivered first. They could not be repeated
    either: where a surge began may look different from windows later.
    """

    def __init__(
        self,
        windows: Windows,
        rule: SurgeRule,
        discovered: Discovered,
        *,
        partitions: int,
        changelog: str,
    ) -> None:
        """`changelog`: the topic of its table, by full name."""
        self._windows = windows
        self._rule = rule
        self._discovered = discovered
        self._partitions = partitions
        self._shelf = Shelf("subjects", changelog, STAGE, decode)
        self._judge = lru_cache(JUDGED)(self._judge_counts)

    def __call__(self, messages: Sequence[Message], read: StateReader) -> Result:
        touched: dict[str, _Touched] = {}
        records: list[Record] = []
        table = self._shelf.open(read, records)
        for message in messages:
            try:
                self._fold(message, touched, table)
            except Invalid as error:
                records.append(dead_letter(message, error, STAGE))
        states = []
        for name, entry in touched.items():
            self._announce(name, entry, self._windows.index(entry.subject.clock))
            records.extend(map(alert_record, entry.alerts))
            open_surge = next((evidence(s) for s in entry.surges if s.end is None), None)
            emerging = self._discovered.topics() if name == SUBJECT else ()
            value = trend(name, entry.subject, self._windows, open_surge, emerging)
            records.append(Record("trends", name.encode(), schemas.encode(value)))
            states.append(State(entry.partition, name.encode(), encode(entry.subject)))
        return Result(records, states)

    def surges(self, subject: Subject) -> list[Surge]:
        """The surges within the subject's ring, oldest first."""
        return self._surges(subject, self._windows.index(subject.clock))

    def _surges(self, subject: Subject, newest: int) -> list[Surge]:
        """The surges when the ring ended, or will end, with the window `newest`."""
        now = newest - math.ceil(self._windows.lateness / self._windows.seconds)
        first = newest - self._windows.ring
        counts = sorted(subject.windows.items())
        closed = ((i, c.reviews, c.negatives) for i, c in counts if first < i < now)
        return self._judge(tuple(closed), now)

    def _announce(self, name: str, entry: _Touched, newest: int) -> None:
        """Judge the ring that ends with the window `newest`; its alerts are what changed."""
        after = self._surges(entry.subject, newest)
        oldest = newest - self._windows.ring // 2
        entry.alerts += notices(name, entry.surges, after, self._windows, oldest)
        entry.surges = after

    def _judge_counts(self, closed: tuple[tuple[int, int, int], ...], now: int) -> list[Surge]:
        return judge([Window(*counts) for counts in closed], now, self._rule)

    def _fold(self, message: Message, touched: dict[str, _Touched], table: Batch[Subject]) -> None:
        if message.topic == REFRESH:
            # A key that is no text is no subject's: another program wrote it.
            name = (message.key or b"").decode(errors="replace")
            self._touch(message.partition, name, touched, table)
            return
        pack = schemas.decode(message.value, Signals)
        check_key(message, pack.subject, self._partitions)
        entry = self._touch(message.partition, pack.subject, touched, table)
        if entry is None:
            if not pack.entries:
                return  # a request to send it again, and nothing is known of it
            entry = touched[pack.subject] = _Touched(message.partition, Subject(), [])
        fold = apply(
            entry.subject,
            pack.source,
            pack.entries,
            self._windows,
            partial(self._announce, pack.subject, entry),
        )
        metrics.LATE.inc(fold.late)
        metrics.REPEATED.inc(fold.repeated)

    def _touch(
        self, partition: int, name: str, touched: dict[str, _Touched], table: Batch[Subject]
    ) -> _Touched | None:
        """A subject, from the batch or else from the table; None where it is in neither."""
        entry = touched.get(name)
        if entry is None and table.known(partition, name.encode()):
            # What cannot be used is replaced at once, or it would be set aside time and again.
            subject = table.get(partition, name.encode()) or Subject()
            entry = touched[name] = _Touched(partition, subject, self.surges(subject))
        return entry
