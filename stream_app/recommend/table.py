"""Learnt vectors of the catalogue's items; one unknown in training gets a vector by its text."""

import numpy as np
from numpy.typing import NDArray

from stream_app.recommend.catalogue import Catalogue, resized, roomy

Floats = NDArray[np.float32]


class Table:
    """Vectors in the order of the catalogue's rows, computed again for changed items alone."""

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

    def vectors(self, items: Catalogue) -> Floats:
        """Vectors [items, width]; costs as much as was changed since the last time."""
        if len(self._vectors) < len(items):
            self._vectors = resized(self._vectors, roomy(len(items)))
        rows = items.changed(self._version)
        if len(rows):
            vectors = items.vectors[rows] @ self._project
            places = np.array([self._places.get(h, -1) for h in items.hashes[rows].tolist()])
            known = places >= 0
            learnt = self._learnt[places[known]]
            vectors[known] = vectors[known] + learnt if self._added else learnt
            self._vectors[rows] = vectors
        self._version = items.version
        return self._vectors[: len(items)]
