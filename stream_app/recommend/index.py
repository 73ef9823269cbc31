"""Items near a vector: by all products while they are few, by a graph (HNSW) beyond."""

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index as Graph

from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.source import top

EXACT = 20_000
"""Items up to which all products are faster than the graph; see bench/recommend.py."""
CONNECTIONS, ADDED, SEARCHED = 16, 64, 128
"""Edges of a node, and nodes looked at to add one and to search (Malkov and Yashunin, 2018)."""


class Index:
    """The catalogue's vectors, searched by inner product. One thread calls it."""

    def __init__(self, exact: int = EXACT) -> None:
        self._exact = exact
        self._vectors = np.zeros((0, 0), np.float32)
        self._graph: Graph | None = None
        self._version = 0
        self._count = 0

    def update(self, items: Catalogue) -> None:
        """Take in what has changed; the first time beyond `exact` items builds the graph."""
        self._vectors = items.vectors
        if len(items) <= self._exact:
            self._graph = None
            return
        if self._graph is None:
            self._graph = Graph(
                ndim=items.vectors.shape[1], metric="ip", dtype="i8",
                connectivity=CONNECTIONS, expansion_add=ADDED, expansion_search=SEARCHED,
            )  # fmt: skip
            self._version, self._count = -1, 0
        if self._version == items.version:
            return
        rows = items.changed(self._version)
        old = np.union1d(rows[rows < self._count], np.arange(len(items), self._count))
        if len(old):
            self._graph.remove(old.astype(np.uint64))
        if len(rows):
            self._graph.add(rows.astype(np.uint64), items.vectors[rows], threads=1)
        self._version, self._count = items.version, len(items)

    def nearest(self, queries: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Rows [queries, count] of the highest products, fewer where there are fewer items."""
        if self._graph is None or not len(queries):
            return top(queries @ self._vectors.T, count)
        found = self._graph.search(queries, count, threads=1)
        return np.asarray(found.keys, np.int64).reshape(len(queries), -1)
