"""Which items of the catalogue a user likes and dislikes, by the record."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Event, Interest
from stream_app.recommend.catalogue import Catalogue

HALF = 5.0
"""Product of interest and item that scores a half: as after five entirely positive reviews of items
just like it."""


class Likes(NamedTuple):
    """A user's events with items of the catalogue, and what follows from them."""

    events: list[Event]
    """Newest first."""
    rows: list[int]
    """The rows of the events' items."""
    weights: NDArray[np.float32]
    """The events' signed weights, decayed to the newest event."""
    written: NDArray[np.float32]
    """The record's vector [dimensions]: what the user wrote."""
    interest: NDArray[np.float32]
    """`written` plus the vector of each event's item times the event's weight [dimensions]."""
    liked: list[int]
    disliked: list[int]
    """Rows of the items whose newest event with a value is for or against them, newest first."""


def likes(user: Interest, items: Catalogue, half_life: float) -> Likes:
    """The likes of a user; `half_life` in seconds.

    The vectors of items are those of the catalogue now. They are not part of the record, so that it
    does not depend on when an item came into the catalogue.
    """
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
    """The product of interest and item as a score in −1…1: p / (HALF + |p|)."""
    return (product / (HALF + np.abs(product))).astype(np.float32)
