"""The contract of all sources of recommendations."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue
from stream_app.schemas import Reason, Trend

Features = Sequence[Any]
"""What a source needs of each user, one entry a user; of which type, each source decides."""
Rows = NDArray[np.int64] | slice
"""Rows of the catalogue."""
ALL = slice(None)


class Source(Protocol):
    """Scores items for users and gives its reasons. One thread calls it.

    First `features` of the users, then with these `score`, `candidates` and `reasons`. Features
    hold until a user's record, the catalogue or a trend changes.
    """

    @property
    def name(self) -> str: ...

    def put(self, trend: Trend) -> None:
        """Replace what is known of an item by its newest trend."""
        return None

    def features(self, users: Sequence[Interest], items: Catalogue) -> Features:
        """What it needs of each user: computed once, for scores and reasons."""
        return users

    def score(self, features: Features, items: Catalogue, rows: Rows = ALL) -> NDArray[np.float32]:
        """Scores [users, rows] in −1…1; 0 where the source knows nothing."""
        ...

    def candidates(
        self, features: Features, items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        """For each user rows that score high here, about `count`, in no order."""
        return list(top(self.score(features, items), count))

    def reasons(
        self, features: Features, rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        """Why the item of each row is for the user, by evidence in the user's record or of the
        item itself; None without. `rows` [users, list], −1 where a list is shorter than others:
        the reasons there are ignored."""
        ...


def top(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Columns of the `count` highest of each row, in no order; of [columns] or [rows, columns]."""
    if scores.shape[-1] <= count:
        return np.broadcast_to(np.arange(scores.shape[-1]), scores.shape)
    return np.argpartition(scores, -count, axis=-1)[..., -count:]


def reason_where(holds: NDArray[np.bool_], reason: Reason) -> list[list[Reason | None]]:
    """The same reason wherever it holds [users, list]."""
    return [[reason if held else None for held in row] for row in holds.tolist()]
