"""Signals of a batch, packed by subject and source partition."""

from stream_app import schemas
from stream_app.messages.message import Record
from stream_app.schemas import Signal, Signals


class Collector:
    """Gathers signals in the order of the batch, which is the order of offsets."""

    def __init__(self) -> None:
        self._packs: dict[tuple[str, str], list[Signal]] = {}

    def add(self, subject: str, source: str, entry: Signal) -> None:
        """Add one event about a subject."""
        self._packs.setdefault((subject, source), []).append(entry)

    def records(self) -> list[Record]:
        """One message for each subject and source."""
        return [
            Record("signals", subject.encode(), schemas.encode(Signals(subject, source, entries)))
            for (subject, source), entries in self._packs.items()
        ]
