"""A made catalogue of two kinds of items."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Interest
from stream_app.messages.vectors import pack
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.source import Rows, Source
from stream_app.schemas import Item, ItemVector, Reason

DIMENSIONS = 8


def catalogue(count: int = 12, order: Sequence[str] = ()) -> Catalogue:
    """Items on a checkerboard: even ones along one axis, odd ones along another, a little apart.

    In the order of their numbers, or of the ids given.
    """
    items = Catalogue(DIMENSIONS)
    for number in [int(item[1:]) for item in order] or range(count):
        vector = np.zeros(DIMENSIONS, np.float32)
        vector[number % 2] = 1
        vector[2 + number % 6] = 0.3
        vector /= np.linalg.norm(vector)
        item = Item(
            f"i{number}", f"Item {number}", category=f"c{number % 3}", seller=f"s{number % 4}",
            available=number != 10,
        )  # fmt: skip
        items.put(ItemVector(item, pack(vector), "m"))
    items.refresh()
    return items


def score(
    source: Source, users: Sequence[Interest], items: Catalogue, *rows: Rows
) -> NDArray[np.float32]:
    """What a source says of users that it has just read [users, rows]."""
    return source.score(source.features(users, items), items, *rows)


def reasons(
    source: Source, user: Interest, rows: Sequence[int], items: Catalogue
) -> list[Reason | None]:
    """Why the items of these rows are for a user."""
    (found,) = source.reasons(source.features([user], items), np.array([rows]), items)
    return found
