"""The contract of all sources of recommendations."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas import Reason, Trend
from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue

Rows = NDArray[np.int64] | slice
"""Rows of the catalogue."""
ALL = slice(None)


class Source(Protocol):
    """Scores users against items, and says why. One thread calls it."""

    @property
    def name(self) -> str: ...

    def put(self, trend: Trend) -> None:
        """Take the newest trend of an item."""
        return None

    def score(
        self, users: Sequence[Interest], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        """Scores [users, rows] in −1…1; 0 where the source knows nothing."""
        ...

    def candidates(
        self, users: Sequence[Interest], items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        """For each user rows that score high here, about `count`, in no order."""
        return list(top(self.score(users, items), count))

    def reasons(
        self, users: Sequence[Interest], rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        """Why the item of each row is for the user, by evidence in the user's record or of the
        item itself. `rows` [users, list]; nobody reads what is said of −1, where a list is
        shorter than others."""
        ...


def top(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Columns of the `count` highest of each row, in no order; of [columns] or [rows, columns]."""
    if scores.shape[-1] <= count:
        return np.broadcast_to(np.arange(scores.shape[-1]), scores.shape)
    return np.argpartition(scores, -count, axis=-1)[..., -count:]


def said(holds: NDArray[np.bool_], reason: Reason) -> list[list[Reason | None]]:
    """The same reason wherever it holds [users, list]."""
    return [[reason if one else None for one in own] for own in holds.tolist()]
