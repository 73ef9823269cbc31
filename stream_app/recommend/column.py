"""A number of each item, kept in the order of the catalogue's rows."""

import numpy as np
from numpy.typing import NDArray

from stream_app.recommend.catalogue import Catalogue, resized, roomy


class Column:
    """Numbers by hash of the item's id, 0 where none was set; also of items not (yet) there."""

    def __init__(self) -> None:
        self._known: dict[int, float] = {}
        self._touched: set[int] = set()
        self._version = 0
        self._values = np.zeros(0)

    def __setitem__(self, item: int, value: float) -> None:
        self._known[item] = value
        self._touched.add(item)

    def values(self, items: Catalogue) -> NDArray[np.float64]:
        """The numbers [items]; costs as much as was changed since the last time."""
        if len(self._values) < len(items):
            self._values = resized(self._values, roomy(len(items)))
        for row in items.changed(self._version).tolist():
            self._values[row] = self._known.get(int(items.hashes[row]), 0.0)
        self._version = items.version
        for item in self._touched:
            row = items.row(item)
            if row is not None:
                self._values[row] = self._known[item]
        self._touched.clear()
        return self._values[: len(items)]
