"""Items that people take shortly before or after those that the user took last.

Counted as it happens, without training: every event of a user raises the weight between its item
and the items of the events before it, less for each step between (`steps`). The weights live with
the later item's record, whose trend tells them to every worker. They are statistics, not state:
an event that comes late, or again after a crash, is paired with what the record holds then.
"""

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import Reason, Trend
from stream_app.identity import hash64
from stream_app.interests.record import Event, Interest
from stream_app.recommend.catalogue import Catalogue

WINDOW = 10
"""Events back to which an event is paired, and from which a user is scored."""
COUNTED = 0.8
"""What each step between two events takes from the weight of their pair."""
RECENT = 0.6
"""What each step back takes from the say of a user's event."""
LEAST, MOST = 0.1, 1000.0
"""Weights between which the score grows by their logarithm from 0 to 1."""
MIN_WEIGHT = 1.0
"""Weight under which neighbours are no reason."""

_PAIR = struct.Struct("<Qf")


def steps(events: Sequence[Event], event_id: int) -> list[tuple[int, float]]:
    """Other items of the events before the one of that id, and the weight of each pair.

    `events` is a record's ring; empty where the event is no longer in it.
    """
    place = next((n for n, event in enumerate(events) if event.id == event_id), 0)
    item = events[place].item if events else 0
    weights: dict[int, float] = {}
    for step, event in enumerate(reversed(events[max(0, place - WINDOW) : place])):
        if event.item != item:
            weights[event.item] = weights.get(event.item, 0.0) + COUNTED**step
    return list(weights.items())


def to_bytes(weights: Mapping[int, float]) -> bytes:
    """Weights by item hash as little-endian (uint64, float32) pairs."""
    return b"".join(_PAIR.pack(*pair) for pair in sorted(weights.items()))


def from_bytes(data: bytes) -> dict[int, float]:
    """The reverse of `to_bytes`."""
    return dict(_PAIR.iter_unpack(data))


def pack(weights: Mapping[int, float]) -> str:
    """`to_bytes` in base64."""
    return base64.b64encode(to_bytes(weights)).decode()


def unpack(text: str) -> dict[int, float]:
    """The reverse of `pack`."""
    return from_bytes(base64.b64decode(text))


class Neighbours:
    """Weights of pairs, read both ways. `put` may be called from any thread."""

    name = "neighbours"

    def __init__(self) -> None:
        self._before: dict[int, dict[int, float]] = {}
        """By item: the items taken before it."""
        self._after: dict[int, dict[int, float]] = {}
        """The same turned round."""

    def put(self, trend: Trend) -> None:
        """Take an item's newest trend; others are ignored."""
        kind, _, item_id = trend.subject.partition(":")
        if kind != "item":
            return
        item, before = hash64(item_id), unpack(trend.neighbours)
        for other in self._before.get(item, {}).keys() - before.keys():
            self._after[other].pop(item, None)
        for other, weight in before.items():
            self._after.setdefault(other, {})[item] = weight
        self._before[item] = before

    def score(self, users: Sequence[Interest], items: Catalogue) -> NDArray[np.float32]:
        scores = np.zeros((len(users), len(items)), np.float32)
        for row, user in zip(scores, users, strict=True):
            for _, say, weights in self._pulls(user):
                # A copy: the event loop may change the table while a thread scores.
                for other, weight in list(weights.items()):
                    place = items.row(other)
                    if place is not None:
                        row[place] += say * weight
        shares: NDArray[np.float32] = np.log1p(scores / LEAST) / np.float32(np.log1p(MOST / LEAST))
        return np.minimum(shares, np.float32(1))

    def reasons(self, user: Interest, rows: Sequence[int], items: Catalogue) -> list[Reason | None]:
        wanted = [hash64(items.items[row].item_id) for row in rows]
        total = np.zeros(len(rows))
        best: list[tuple[float, int]] = [(0.0, 0)] * len(rows)
        for source, say, weights in self._pulls(user):
            if items.row(source) is None:
                continue
            for place, other in enumerate(wanted):
                weight = say * weights.get(other, 0.0)
                total[place] += weight
                best[place] = max(best[place], (weight, source))
        return [
            self._reason(best[place][1], items) if total[place] >= MIN_WEIGHT else None
            for place in range(len(rows))
        ]

    def _pulls(self, user: Interest) -> Iterator[tuple[int, float, Mapping[int, float]]]:
        """Each recent item, newest first, its say, and the weights of its pairs."""
        for step, event in enumerate(reversed(user.events[-WINDOW:])):
            for table in (self._before, self._after):
                yield event.item, RECENT**step, table.get(event.item, {})

    def _reason(self, item: int, items: Catalogue) -> Reason:
        title = items.items[items.row(item) or 0].title
        return Reason(
            self.name,
            f"often taken together with “{title}”, which you took lately",
            f"常与你最近看过的“{title}”一起被选",
        )
