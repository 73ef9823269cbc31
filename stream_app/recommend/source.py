"""The contract of all sources of recommendations."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas import Reason
from stream_app.interests.record import Interest
from stream_app.recommend.catalogue import Catalogue


class Source(Protocol):
    """Scores users against items, and says why."""

    @property
    def name(self) -> str: ...

    def score(self, users: Sequence[Interest], items: Catalogue) -> NDArray[np.float32]:
        """Scores [users, items] in −1…1; 0 where the source knows nothing."""
        ...

    def reasons(self, user: Interest, rows: Sequence[int], items: Catalogue) -> list[Reason | None]:
        """Why the item of each row, by evidence in the user's record or of the item itself."""
        ...
