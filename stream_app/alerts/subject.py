"""A subject's record: counts by event-time window, in a ring that ends at the newest window.

Everything else (trend, surge, popularity) is a function of the ring, so the state after a set of
events does not depend on the order in which they arrived.
"""

import struct
from bisect import insort
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from schemas import Signal

IDS = 192
TOPIC_WINDOWS = 8
VERSION = 1

_COUNTS = struct.Struct("<IIIIdd")
_ID = struct.Struct("<IQ")


@dataclass(frozen=True, slots=True)
class Windows:
    """Tumbling windows of event time."""

    seconds: float
    ring: int
    """How many are kept."""
    lateness: float
    """Seconds that a window stays open after its end."""

    def index(self, time: float) -> int:
        """The window that a time falls into."""
        return int(time // self.seconds)


class Counts(NamedTuple):
    """What fell into one window."""

    reviews: int = 0
    negatives: int = 0
    positives: int = 0
    intensity: float = 0.0
    """Sum."""
    weight: float = 0.0
    """Popularity: weighted behaviours and praise."""


@dataclass(slots=True)
class Subject:
    """An item's or a topic's record."""

    clock: float = 0.0
    """The newest event time."""
    windows: dict[int, Counts] = field(default_factory=dict)
    topics: dict[int, dict[str, int]] = field(default_factory=dict)
    """Reviews by topic, of the newest windows only."""
    ids: list[tuple[int, int]] = field(default_factory=list)
    """Whole second and hash of the newest events: a repeated id counts once."""
    applied: dict[str, int] = field(default_factory=dict)
    """Last applied offset of each source partition."""


class Fold(NamedTuple):
    """What became of a batch of signals."""

    counted: int
    repeated: int
    late: int


def apply(subject: Subject, source: str, entries: list[Signal], windows: Windows) -> Fold:
    """Fold signals of one source partition in, in offset order."""
    counted = repeated = late = 0
    known = {event for _, event in subject.ids}
    for entry in entries:
        if entry.offset <= subject.applied.get(source, -1):
            repeated += 1
            continue
        subject.applied[source] = entry.offset
        if entry.id in known:
            repeated += 1
            continue
        known.add(entry.id)
        insort(subject.ids, (int(entry.time), entry.id))
        if len(subject.ids) > IDS:
            known.discard(subject.ids.pop(0)[1])
        if entry.time > subject.clock:
            subject.clock = entry.time
            _evict(subject, windows)
        if _add(subject, entry, windows):
            counted += 1
        else:
            late += 1
    return Fold(counted, repeated, late)


def _add(subject: Subject, entry: Signal, windows: Windows) -> bool:
    newest, index = windows.index(subject.clock), windows.index(entry.time)
    if index <= newest - windows.ring:
        return False
    old = subject.windows.get(index, Counts())
    review = entry.intensity is not None
    subject.windows[index] = Counts(
        old.reviews + review,
        old.negatives + (review and entry.sentiment < 0),
        old.positives + (review and entry.sentiment > 0),
        old.intensity + (entry.intensity or 0.0),
        old.weight + entry.weight,
    )
    if entry.topics and index > newest - TOPIC_WINDOWS:
        counts = subject.topics.setdefault(index, {})
        for topic in entry.topics:
            counts[topic] = counts.get(topic, 0) + 1
    return True


def _evict(subject: Subject, windows: Windows) -> None:
    newest = windows.index(subject.clock)
    for index in [i for i in subject.windows if i <= newest - windows.ring]:
        del subject.windows[index]
    for index in [i for i in subject.topics if i <= newest - TOPIC_WINDOWS]:
        del subject.topics[index]


def encode(subject: Subject) -> bytes:
    """The record as MessagePack, its rings packed."""
    return msgspec.msgpack.encode(
        (
            VERSION,
            subject.clock,
            b"".join(_COUNTS.pack(i, *counts) for i, counts in sorted(subject.windows.items())),
            {i: dict(sorted(counts.items())) for i, counts in sorted(subject.topics.items())},
            b"".join(_ID.pack(*known) for known in subject.ids),
            dict(sorted(subject.applied.items())),
        )
    )


def decode(data: bytes) -> Subject:
    """The record from its bytes; raises ValueError on another version."""
    version, clock, windows, topics, ids, applied = msgspec.msgpack.decode(data, strict=False)
    if version != VERSION:
        raise ValueError(f"subject record of version {version}, this is {VERSION}")
    return Subject(
        clock,
        {index: Counts(*counts) for index, *counts in _COUNTS.iter_unpack(windows)},
        topics,
        [(second, known) for second, known in _ID.iter_unpack(ids)],
        applied,
    )


def readable(subject: Subject) -> dict[str, object]:
    """The record for people and for comparing."""
    return {
        "clock": subject.clock,
        "windows": {str(i): c._asdict() for i, c in sorted(subject.windows.items())},
        "topics": {str(i): dict(sorted(c.items())) for i, c in sorted(subject.topics.items())},
        "ids": subject.ids,
        "applied": dict(sorted(subject.applied.items())),
    }
