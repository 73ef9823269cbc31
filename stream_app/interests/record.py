"""A user's record: bounded, and the same whatever the order in which its events arrived.

Sums are decayed in event time to the newest event; rings keep the newest entries by time, arrival
and id, so that evicting is a function of the set of events.
"""

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_app.schemas.state import Unusable, check_clock, decoding, unpack

KINDS = ("review", "view", "click", "cart", "purchase", "share", "hide")
EVENTS = 32
REVIEWS = 28
SEEN = 48
VERSION = 2

_EVENT = struct.Struct("<dIQQBfH")
_EVENT_1 = struct.Struct("<dQQBfH")
_REVIEW = struct.Struct("<IQ")
_SEEN = struct.Struct("<IQ")
_Stored = tuple[
    int, float, bytes, bytes, bytes, bytes, dict[str, tuple[float, float]], dict[str, int]
]
_decoder = msgspec.msgpack.Decoder(_Stored)


class Event(NamedTuple):
    """Something the user did with an item. Ordered by time, then arrival, then id."""

    time: float
    order: int
    """Low 32 bits of the offset at its source. Many shops give times in whole seconds: of events of
    one second, the one that came first in its partition stands first."""
    id: int
    item: int
    """Hash of the item's id."""
    kind: int
    """Index into KINDS."""
    value: float
    """Signed weight before decay: a negative review or a hidden item is below zero."""
    topic: int
    """hash16 of the topic that a review is mostly about; 0: none."""


@dataclass(slots=True)
class Interest:
    """A user's record.

    `vector` [dimensions] is the sum of the embeddings of what the user wrote, each weighted by
    its signed intensity, decayed to `clock`. `tastes` holds for each topic the decayed sums of
    praise and of complaint.
    """

    vector: NDArray[np.float32]
    clock: float = 0.0
    events: list[Event] = field(default_factory=list)
    reviews: list[tuple[int, int]] = field(default_factory=list)
    """Of the newest reviews the time in whole seconds and the hash of the id: a repeated id changes
    nothing."""
    seen: dict[int, int] = field(default_factory=dict)
    """Items that the user has seen, with the time of the newest event in whole seconds."""
    tastes: dict[str, tuple[float, float]] = field(default_factory=dict)
    applied: dict[str, int] = field(default_factory=dict)
    """Last applied offset of each source partition."""


def empty(dimensions: int) -> Interest:
    """The record of a user without events."""
    return Interest(np.zeros(dimensions, np.float32))


def encode(interest: Interest) -> bytes:
    """The record as MessagePack, its rings packed."""
    return msgspec.msgpack.encode(
        (
            VERSION,
            interest.clock,
            interest.vector.astype("<f4").tobytes(),
            b"".join(_EVENT.pack(*event) for event in interest.events),
            b"".join(_REVIEW.pack(*review) for review in interest.reviews),
            b"".join(_SEEN.pack(time, item) for item, time in sorted(interest.seen.items())),
            dict(sorted(interest.tastes.items())),
            dict(sorted(interest.applied.items())),
        )
    )


def decode(data: bytes) -> Interest:
    """The record from its bytes, also of version 1; raises StateError on later ones, Unusable on
    what is no record."""
    with decoding("interests"):
        stored = unpack(data, _decoder, "interests", (1, VERSION))
        version, clock, vector, events, reviews, seen, tastes, applied = stored
        check_clock(clock)
        interest = Interest(
            np.frombuffer(vector, "<f4").astype(np.float32),
            clock,
            _events(events) if version == VERSION else _events_1(events),
            [(time, review) for time, review in _REVIEW.iter_unpack(reviews)],
            {item: time for time, item in _SEEN.iter_unpack(seen)},
            tastes,
            applied,
        )
        _check(interest)
        return interest


def decode_fitting(data: bytes, dimensions: int) -> Interest:
    """The record, whose vector must be of so many dimensions; raises as `decode`."""
    interest = decode(data)
    if (found := len(interest.vector)) != dimensions:
        raise Unusable(
            f"the interests table holds a vector of {found} dimensions, the model has {dimensions}"
        )
    return interest


def _check(interest: Interest) -> None:
    """Numbers that a list can be made from; raises ValueError."""
    numbers = [number for event in interest.events for number in (event.time, event.value)]
    numbers += [number for taste in interest.tastes.values() for number in taste]
    if not (np.isfinite(interest.vector).all() and np.isfinite(numbers).all()):
        raise ValueError("not finite")
    if any(event.kind >= len(KINDS) for event in interest.events):
        raise ValueError("an unknown kind of event")


def _events(data: bytes) -> list[Event]:
    return [Event(*fields) for fields in _EVENT.iter_unpack(data)]


def _events_1(data: bytes) -> list[Event]:
    return [Event(time, 0, *fields) for time, *fields in _EVENT_1.iter_unpack(data)]


def readable(interest: Interest) -> dict[str, object]:
    """The record for people and for comparing: plain lists and numbers."""
    return {
        "clock": interest.clock,
        "vector": interest.vector.tolist(),
        "events": [{**event._asdict(), "kind": KINDS[event.kind]} for event in interest.events],
        "reviews": interest.reviews,
        "seen": {str(item): time for item, time in sorted(interest.seen.items())},
        "tastes": {topic: list(taste) for topic, taste in sorted(interest.tastes.items())},
        "applied": dict(sorted(interest.applied.items())),
    }
