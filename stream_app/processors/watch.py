"""Signals to each subject's record, its trend, and the alerts of its surges."""

from collections.abc import Sequence
from dataclasses import dataclass

import schemas
from schemas import Invalid, Signals
from stream_app.alerts.emerging import SUBJECT, Discovered
from stream_app.alerts.notice import evidence, notices
from stream_app.alerts.subject import Subject, Windows, apply, decode, encode
from stream_app.alerts.surge import Surge, SurgeRule, Window, judge
from stream_app.alerts.trend import trend
from stream_app.delivery.dead import dead
from stream_app.delivery.message import Message, Read, Record, Result, State
from stream_app.ops import metrics
from stream_app.processors.analyse import alert_record
from stream_app.processors.validity import check_key

STAGE = "watch"


@dataclass(slots=True)
class _Touched:
    partition: int
    subject: Subject
    before: list[Surge]
    repeated: bool = False


class Watch:
    """Counts by event time and judges closed windows.

    A redelivered signal changes nothing and sends trend, state and alerts again.
    """

    def __init__(
        self,
        windows: Windows,
        rule: SurgeRule,
        discovered: Discovered,
        *,
        partitions: int,
    ) -> None:
        self._windows = windows
        self._rule = rule
        self._discovered = discovered
        self._partitions = partitions

    def __call__(self, messages: Sequence[Message], read: Read) -> Result:
        touched: dict[str, _Touched] = {}
        records: list[Record] = []
        for message in messages:
            try:
                self._fold(message, touched, read)
            except Invalid as error:
                records.append(dead(message, error, STAGE))
        states = []
        for name, entry in touched.items():
            after = self.surges(entry.subject)
            before = [] if entry.repeated else entry.before
            oldest = self._windows.index(entry.subject.clock) - self._windows.ring // 2
            alerts = notices(name, before, after, self._windows, oldest)
            records.extend(alert_record(alert) for alert in alerts)
            open_surge = next((evidence(s) for s in after if s.end is None), None)
            emerging = self._discovered.read() if name == SUBJECT else ()
            value = trend(name, entry.subject, self._windows, open_surge, emerging)
            records.append(Record("trends", name.encode(), schemas.encode(value)))
            states.append(State(entry.partition, name.encode(), encode(entry.subject)))
        return Result(records, states)

    def surges(self, subject: Subject) -> list[Surge]:
        """The surges within the subject's ring, oldest first."""
        counts = sorted(subject.windows.items())
        now = self._windows.index(subject.clock - self._windows.lateness)
        return judge(
            [Window(index, c.reviews, c.negatives) for index, c in counts], now, self._rule
        )

    def _fold(self, message: Message, touched: dict[str, _Touched], read: Read) -> None:
        pack = schemas.decode(message.value, Signals)
        check_key(message, pack.subject, self._partitions)
        entry = touched.get(pack.subject)
        if entry is None:
            data = read(message.partition, pack.subject.encode())
            if data is None and not pack.entries:
                return  # asked for again, and nothing is known of it
            subject = Subject() if data is None else decode(data)
            entry = _Touched(message.partition, subject, self.surges(subject))
            touched[pack.subject] = entry
        fold = apply(entry.subject, pack.source, pack.entries, self._windows)
        metrics.LATE.inc(fold.late)
        metrics.REPEATED.inc(fold.repeated)
        # Whatever was sent for a repeated signal may never have arrived.
        entry.repeated |= fold.repeated > 0
