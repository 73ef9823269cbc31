"""Learnt vectors of the catalogue's items; an item unknown in training gets its own by its text."""

import numpy as np
from numpy.typing import NDArray

from stream_app.recommend.catalogue import Catalogue, resized, roomy

Floats = NDArray[np.float32]


class Table:
    """Follows the catalogue: costs as much as has changed since the last time."""

    def __init__(
        self, hashes: NDArray[np.uint64], learnt: Floats, project: Floats, *, added: bool
    ) -> None:
        """`learnt` [trained items, width]; `project` [dimensions, width] from text embeddings.

        `added`: a trained item's vector is the sum of both, else what was learnt alone.
        """
        self._places = {item: place for place, item in enumerate(hashes.tolist())}
        self._learnt = learnt
        self._project = project
        self._added = added
        self._version = 0
        self._vectors = np.zeros((0, learnt.shape[1]), np.float32)

    def trained(self, item: int) -> bool:
        """Whether an item, by the hash of its id, was in training."""
        return item in self._places

    def read(self, items: Catalogue) -> Floats:
        """Vectors [items, width]."""
        if len(self._vectors) < len(items):
            self._vectors = resized(self._vectors, roomy(len(items)))
        rows = items.changed(self._version)
        if len(rows):
            vectors = items.vectors[rows] @ self._project
            places = np.array([self._places.get(h, -1) for h in items.hashes[rows].tolist()])
            known = places >= 0
            own = self._learnt[places[known]]
            vectors[known] = vectors[known] + own if self._added else own
            self._vectors[rows] = vectors
        self._version = items.version
        return self._vectors[: len(items)]
