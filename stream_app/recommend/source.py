"""The contract of all sources of recommendations."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue
from stream_app.schemas import Reason, Trend

Read = Sequence[Any]
"""What a source has read of each user."""
Rows = NDArray[np.int64] | slice
"""Rows of the catalogue."""
ALL = slice(None)


class Source(Protocol):
    """Reads users, scores them against items, and says why. One thread calls it.

    What was read holds until a record, the catalogue or a trend changes.
    """

    @property
    def name(self) -> str: ...

    def put(self, trend: Trend) -> None:
        """Take the newest trend of an item."""
        return None

    def read(self, users: Sequence[Interest], items: Catalogue) -> Read:
        """What it needs of each user: read once, for scores and reasons."""
        return users

    def score(self, read: Read, items: Catalogue, rows: Rows = ALL) -> NDArray[np.float32]:
        """Scores [users, rows] in −1…1; 0 where the source knows nothing."""
        ...

    def candidates(self, read: Read, items: Catalogue, count: int) -> list[NDArray[np.int64]]:
        """For each user rows that score high here, about `count`, in no order."""
        return list(top(self.score(read, items), count))

    def reasons(
        self, read: Read, rows: NDArray[np.int64], items: Catalogue
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
