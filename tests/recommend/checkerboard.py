"""A made catalogue of two kinds of items."""

import base64
from collections.abc import Sequence

import numpy as np

from schemas import Item, ItemVector
from stream_app.recommend.catalogue import Catalogue

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
        items.put(ItemVector(item, base64.b64encode(vector.astype("<f4")).decode(), "m"))
    items.refresh()
    return items
