"""A subject's record: counts by event-time window, in a ring that ends at the newest window.

Trend and surges are functions of the ring and popularity is a sum decayed in event time, so the
state after a set of events does not depend on the order in which they arrived.
"""

import struct
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np

from stream_app.schemas import Signal
from stream_app.schemas.state import check_clock, decoding, unpack
from stream_app.subjects.pairs import from_bytes, to_bytes

IDS = 192
TOPIC_WINDOWS = 8
NEIGHBOURS, MOST_NEIGHBOURS = 96, 128
"""When there are more than the second, the first so many are kept, the heaviest."""
VERSION = 3

_COUNTS = struct.Struct("<IIIId")
_ID = struct.Struct("<IQ")
_Sums = tuple[float, float, float]
_Stored = tuple[
    int, float, _Sums | float, bytes, dict[int, dict[str, int]], bytes, dict[str, int], bytes
]
_decoder = msgspec.msgpack.Decoder(_Stored, strict=False)


@dataclass(frozen=True, slots=True)
class Windows:
    """Tumbling windows of event time."""

    seconds: float
    ring: int
    """How many are kept."""
    lateness: float
    """Seconds that a window stays open after its end."""
    half_life: float
    """Seconds until a subject's popularity is half of what it was."""

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


@dataclass(slots=True)
class Subject:
    """An item's or a topic's record."""

    clock: float = 0.0
    """The newest event time."""
    popularity: float = 0.0
    """Weights of behaviours and praise, decayed to `clock`."""
    opinions: float = 0.0
    """Reviews, decayed to `clock`."""
    opinion: float = 0.0
    """Their intensities, decayed likewise."""
    windows: dict[int, Counts] = field(default_factory=dict)
    topics: dict[int, dict[str, int]] = field(default_factory=dict)
    """Reviews by topic, of the newest windows only."""
    ids: list[tuple[int, int]] = field(default_factory=list)
    """Whole second and hash of the newest events: a repeated id counts once."""
    applied: dict[str, int] = field(default_factory=dict)
    """Last applied offset of each source partition."""
    neighbours: dict[int, float] = field(default_factory=dict)
    """Of an item: weights of the items that users acted on before it, by hash of their id; see
    `stream_app.recommend.neighbours`."""


class Fold(NamedTuple):
    """What became of a batch of signals."""

    counted: int
    repeated: int
    late: int


def apply(
    subject: Subject,
    source: str,
    entries: list[Signal],
    windows: Windows,
    on_new_window: Callable[[int], None] | None = None,
) -> Fold:
    """Fold signals of one source partition in, in offset order.

    A signal at or below the last applied offset, or of an id that was counted, changes nothing.
    `on_new_window` is called with the index of each window that becomes the newest, before the ring
    moves on to it.

    For example, with windows of an hour and a half-life of an hour: a purchase of weight 2 in
    window 1 makes the popularity 2. A review of intensity -0.8 an hour later opens window 2: the
    popularity fades to 1, there is 1 opinion, and their sum is -0.8. A review of 0.5 arrives an
    hour late: it counts in window 1, and half in the sums: 1.5 opinions, sum -0.8 + 0.25 = -0.55.
    The same three again are three repeats.
    """
    counted = repeated = late = 0
    known = {event for _, event in subject.ids}
    for entry in entries:
        if entry.offset <= subject.applied.get(source, -1):
            repeated += 1
            continue
        subject.applied[source] = entry.offset
        # What adds nothing to the counts needs no place among the ids that protect them.
        counts = entry.intensity is not None or entry.weight > 0
        if counts and entry.id in known:
            repeated += 1
            continue
        if counts:
            known.add(entry.id)
            insort(subject.ids, (int(entry.time), entry.id))
            if len(subject.ids) > IDS:
                known.discard(subject.ids.pop(0)[1])
        age = subject.clock - entry.time
        if age < 0:
            if on_new_window is not None and subject.windows:
                newest = windows.index(entry.time)
                begin = max(windows.index(subject.clock), newest - windows.ring)
                for index in range(begin + 1, newest + 1):
                    on_new_window(index)
            # The sums are as of the newest event: they fade when that moves on.
            faded = 0.5 ** (-age / windows.half_life)
            subject.popularity *= faded
            subject.opinions *= faded
            subject.opinion *= faded
            subject.clock = entry.time
            _evict(subject, windows)
        # An event older than the newest adds what is left of it by then.
        share = 0.5 ** (max(age, 0.0) / windows.half_life)
        subject.popularity += entry.weight * share
        if entry.intensity is not None:
            subject.opinions += share
            subject.opinion += entry.intensity * share
        _add_neighbours(subject, entry)
        if not counts:
            continue
        if _add(subject, entry, windows):
            counted += 1
        else:
            late += 1
    return Fold(counted, repeated, late)


def _add(subject: Subject, entry: Signal, windows: Windows) -> bool:
    """Count the entry in its window; False where the ring no longer has that."""
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
    )
    if entry.topics and index > newest - TOPIC_WINDOWS:
        counts = subject.topics.setdefault(index, {})
        for topic in entry.topics:
            counts[topic] = counts.get(topic, 0) + 1
    return True


def _add_neighbours(subject: Subject, entry: Signal) -> None:
    """Add the weights of the items that came before; the lightest go where there are too many."""
    for item, weight in entry.before:
        # Stored with 32 bits: rounding here keeps memory and disk the same.
        known = subject.neighbours.get(item, 0.0)
        subject.neighbours[item] = float(np.float32(known + weight))
    if len(subject.neighbours) > MOST_NEIGHBOURS:
        heaviest = sorted(subject.neighbours.items(), key=lambda known: (-known[1], known[0]))
        subject.neighbours = dict(heaviest[:NEIGHBOURS])


def _evict(subject: Subject, windows: Windows) -> None:
    """Drop the windows that the ring no longer has."""
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
            (subject.popularity, subject.opinions, subject.opinion),
            b"".join(_COUNTS.pack(i, *counts) for i, counts in sorted(subject.windows.items())),
            {i: dict(sorted(counts.items())) for i, counts in sorted(subject.topics.items())},
            b"".join(_ID.pack(*known) for known in subject.ids),
            dict(sorted(subject.applied.items())),
            to_bytes(subject.neighbours),
        )
    )


def decode(data: bytes) -> Subject:
    """The record from its bytes, also of version 2; raises StateError on later ones, Unusable on
    what is no record."""
    with decoding("subjects"):
        fields = unpack(data, _decoder, "subjects", (2, VERSION))
        _, clock, sums, windows, topics, ids, applied, neighbours = fields
        popularity, opinions, opinion = sums if isinstance(sums, tuple) else (sums, 0.0, 0.0)
        check_clock(clock)
        subject = Subject(
            clock,
            popularity,
            opinions,
            opinion,
            {index: Counts(*counts) for index, *counts in _COUNTS.iter_unpack(windows)},
            topics,
            [(second, known) for second, known in _ID.iter_unpack(ids)],
            applied,
            from_bytes(neighbours),
        )
        numbers = [popularity, opinions, opinion, *subject.neighbours.values()]
        numbers += [counts.intensity for counts in subject.windows.values()]
        if not np.isfinite(numbers).all():
            raise ValueError("not finite")
        return subject


def readable(subject: Subject) -> dict[str, object]:
    """The record for people and for comparing: all that does not depend on the order in which
    events came, so without the neighbours."""
    return {
        "clock": subject.clock,
        "popularity": subject.popularity,
        "opinions": subject.opinions,
        "opinion": subject.opinion,
        "windows": {str(i): c._asdict() for i, c in sorted(subject.windows.items())},
        "topics": {str(i): dict(sorted(c.items())) for i, c in sorted(subject.topics.items())},
        "ids": subject.ids,
        "applied": dict(sorted(subject.applied.items())),
    }
