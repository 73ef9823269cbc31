"""What a user likes among the items of the catalogue, read from the record."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Event, Interest
from stream_app.recommend.catalogue import Catalogue

HALF = 5.0
"""Product of interest and item that scores a half: five full words of praise for its like."""


class Likes(NamedTuple):
    """What of a record the catalogue knows."""

    events: list[Event]
    """Newest first."""
    rows: list[int]
    """The events' items."""
    weights: NDArray[np.float32]
    """The events' signed weights, decayed to the newest event."""
    written: NDArray[np.float32]
    """The record's vector [dimensions]."""
    interest: NDArray[np.float32]
    """That plus those of the items, each with its weight [dimensions]."""
    liked: list[int]
    disliked: list[int]
    """Rows by the newest event for each, newest first."""


def likes(user: Interest, items: Catalogue, half_life: float) -> Likes:
    """`half_life` in seconds. Vectors of items are looked up now, not stored, so that the record
    does not depend on when an item came into the catalogue."""
    events: list[Event] = []
    rows: list[int] = []
    newest: dict[int, float] = {}
    for event in reversed(user.events):
        row = items.row(event.item)
        if row is not None:
            events.append(event)
            rows.append(row)
            if event.value:
                newest.setdefault(row, event.value)
    values = np.array([event.value for event in events], np.float32)
    times = np.array([event.time for event in events])
    weights = values * np.exp2((times - user.clock) / half_life).astype(np.float32)
    return Likes(
        events, rows, weights, user.vector, user.vector + weights @ items.vectors[rows],
        [row for row, value in newest.items() if value > 0],
        [row for row, value in newest.items() if value < 0],
    )  # fmt: skip


def calm(product: NDArray[np.float32]) -> NDArray[np.float32]:
    """The product of interest and item as a score in −1…1."""
    return (product / (HALF + np.abs(product))).astype(np.float32)
