"""The items with their embeddings; every worker holds all of them."""

from collections import deque
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_app.messages.identity import hash64
from stream_app.messages.vectors import unpack
from stream_app.schemas import Item, ItemVector

MIN_ROWS = 1024
Number = TypeVar("Number", bound=np.generic)


def resized(array: NDArray[Number], rows: int) -> NDArray[Number]:
    """The array cut to so many rows, or filled up with rows of zeros."""
    blank = np.zeros((max(rows - len(array), 0), *array.shape[1:]), array.dtype)
    return np.concatenate([array[:rows], blank])


def roomy(rows: int) -> int:
    """Rows to allocate where so many are needed; at most a fifth of them is spare."""
    return rows + rows // 4 + 1


class _Entry(NamedTuple):
    item: Item
    vector: NDArray[np.float32]


class Catalogue:
    """Items by row of one matrix.

    Changes are queued by `put` and `remove` from any thread and take effect in `refresh`, which
    the thread that scores calls between two batches: rows never move under a running score.
    """

    def __init__(self, dimensions: int) -> None:
        self.items: list[Item] = []
        self.version = 0
        """Grows with every change that took effect."""
        self._rows: dict[int, int] = {}
        self._matrix: NDArray[np.float32] = np.zeros((MIN_ROWS, dimensions), np.float32)
        self._hashes: NDArray[np.uint64] = np.zeros(MIN_ROWS, np.uint64)
        self._changed: NDArray[np.int64] = np.zeros(MIN_ROWS, np.int64)
        self._put: NDArray[np.int64] = np.zeros(MIN_ROWS, np.int64)
        self._pending: deque[tuple[str, _Entry | None]] = deque()

    def __len__(self) -> int:
        return len(self.items)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Unit vectors [items, dimensions]."""
        return self._matrix[: len(self.items)]

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """Hashes of the items' ids [items]."""
        return self._hashes[: len(self.items)]

    def changed(self, version: int) -> NDArray[np.int64]:
        """Rows that hold another item or vector than at a version, of those still there."""
        if version == self.version:
            return np.zeros(0, np.int64)  # asked for every user: it must cost nothing
        return np.flatnonzero(self._changed[: len(self.items)] > version)

    def put_since(self, version: int) -> NDArray[np.int64]:
        """Rows of which anything may have changed since a version, also only a title or a price."""
        return np.flatnonzero(self._put[: len(self.items)] > version)

    def row(self, item: int) -> int | None:
        """The row of an item by the hash of its id."""
        return self._rows.get(item)

    def put(self, entry: ItemVector) -> None:
        """Queue a new or changed item; raises Invalid where its vector cannot be read."""
        vector = unpack(entry.vector, self._matrix.shape[1])
        self._pending.append((entry.item.item_id, _Entry(entry.item, vector)))

    def remove(self, item_id: str) -> None:
        """Queue the removal of an item."""
        self._pending.append((item_id, None))

    def refresh(self) -> None:
        """Make the queued changes."""
        while self._pending:
            item_id, entry = self._pending.popleft()
            self.version += 1
            if entry is None:
                self._drop(hash64(item_id))
            else:
                self._set(hash64(item_id), entry)

    def _set(self, key: int, entry: _Entry) -> None:
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self.items)
            self.items.append(entry.item)
            if row == len(self._matrix):
                self._matrix = resized(self._matrix, roomy(row))
                self._hashes = resized(self._hashes, roomy(row))
                self._changed = resized(self._changed, roomy(row))
                self._put = resized(self._put, roomy(row))
            self._hashes[row] = key
            self._changed[row] = self.version
        self.items[row] = entry.item
        self._put[row] = self.version
        if not np.array_equal(self._matrix[row], entry.vector):
            self._changed[row] = self.version
        self._matrix[row] = entry.vector

    def _drop(self, key: int) -> None:
        row = self._rows.pop(key, None)
        if row is None:
            return
        last = self.items.pop()
        if row < len(self.items):
            self.items[row] = last
            self._matrix[row] = self._matrix[len(self.items)]
            self._hashes[row] = self._hashes[len(self.items)]
            self._changed[row] = self._put[row] = self.version
            self._rows[hash64(last.item_id)] = row
