"""Applying one event to a user's record."""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stream_app.interests.record import EVENTS, KINDS, REVIEWS, SEEN, Event, Interest
from stream_app.messages.identity import event_hash, hash16, hash64
from stream_app.messages.vectors import unpack
from stream_app.schemas import Analysis, Behaviour

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How much each kind of event counts, for how long, and after which an item counts as seen."""

    weights: Mapping[str, float]
    half_life: float
    """Seconds until an event counts half."""
    seen: frozenset[str]


def opinion(intensity: float, stars: float | None) -> float:
    """What the user thinks, −1…1: the text's intensity, averaged with the stars if given."""
    return intensity if stars is None else (intensity + (stars - 3) / 2) / 2


def apply_analysis(interest: Interest, analysis: Analysis, rules: Rules) -> bool:
    """Apply a review. Returns False, and changes no sum, where its offset or its id was applied
    before. Raises Invalid where its vector is not one of this record; nothing is changed then."""
    vector = unpack(analysis.vector, len(interest.vector))
    source = f"{analysis.source.topic}/{analysis.source.partition}"
    if not _advance(interest, source, analysis.source.offset):
        return False
    review = (int(analysis.time), event_hash("review", analysis.user_id, analysis.id))
    if any(known == review[1] for _, known in interest.reviews):
        return False
    insort(interest.reviews, review)
    del interest.reviews[:-REVIEWS]
    value = opinion(analysis.intensity, analysis.stars)
    factor = _decay(interest, analysis.time, rules)
    interest.vector += np.float32(value * factor) * vector
    for about in analysis.topics:
        liked, disliked = interest.tastes.get(about.id, (0.0, 0.0))
        amount = about.score * factor
        interest.tastes[about.id] = (
            liked + max(value, 0.0) * amount,
            disliked + max(-value, 0.0) * amount,
        )
    if analysis.item_id is not None:
        main = max(analysis.topics, key=lambda topic: topic.score, default=None)
        weight = rules.weights.get("review", 1.0) * value
        topic = hash16(main.id) if main else 0
        event = (analysis.time, analysis.source.offset, review[1])
        _remember(interest, event, analysis.item_id, "review", weight, topic, rules)
    return True


def apply_behaviour(
    interest: Interest, behaviour: Behaviour, source: str, offset: int, time: float, rules: Rules
) -> bool:
    """Apply a behaviour. Returns False, and changes no sum, where its offset or its id was applied
    before. `time` is its event time, `source` and `offset` are where its message stands."""
    if not _advance(interest, source, offset):
        return False
    event = event_hash("behaviour", behaviour.user_id, behaviour.event_id or f"{source}/{offset}")
    if any(known.id == event for known in interest.events):
        return False
    _decay(interest, time, rules)
    weight = rules.weights.get(behaviour.kind, 0.0)
    place = (time, offset, event)
    _remember(interest, place, behaviour.item_id, behaviour.kind, weight, 0, rules)
    return True


def _advance(interest: Interest, source: str, offset: int) -> bool:
    """Note the offset as applied; False where it, or a later one of its source, was before."""
    if offset <= interest.applied.get(source, -1):
        return False
    interest.applied[source] = offset
    return True


def _decay(interest: Interest, time: float, rules: Rules) -> float:
    """Bring the record's sums to `time` where that is newer than its clock.

    Returns what an event of that time counts in sums that are decayed to the clock: 1 if it is the
    newest, a half if it is a half-life older than the newest.
    """
    if time <= interest.clock:
        return float(0.5 ** ((interest.clock - time) / rules.half_life))
    if interest.clock:
        factor = 0.5 ** ((time - interest.clock) / rules.half_life)
        interest.vector *= np.float32(factor)
        interest.tastes = {t: (a * factor, b * factor) for t, (a, b) in interest.tastes.items()}
    interest.clock = time
    return 1.0


def _remember(
    interest: Interest,
    place: tuple[float, int, int],
    item_id: str,
    kind: str,
    weight: float,
    topic: int,
    rules: Rules,
) -> None:
    """Put an event into the ring, and its item among those seen; the oldest leave both.

    `place` is the event's time, offset and id; `topic` the hash of what a review is about, or 0.
    """
    time, offset, event = place
    item = hash64(item_id)
    # The ring stores 32-bit weights: rounding here keeps memory and disk the same.
    insort(
        interest.events,
        Event(
            time,
            offset & 0xFFFFFFFF,
            event,
            item,
            KINDS.index(kind),
            float(np.float32(weight)),
            topic,
        ),
    )
    del interest.events[:-EVENTS]
    if kind in rules.seen:
        interest.seen[item] = max(int(time), interest.seen.get(item, 0))
        if len(interest.seen) > SEEN:
            oldest = min(interest.seen, key=lambda known: (interest.seen[known], known))
            del interest.seen[oldest]
