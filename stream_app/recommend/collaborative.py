"""Items that people of the same taste like: item factors from a log, the user's computed from them.

Items have the factors of an implicit-feedback matrix factorisation (Hu, Koren and Volinsky, ICDM
2008), written by `stream-app recommend train`. A user's is the closed-form solution for the items
liked lately, x = (G + r I + sum (c - 1) y y')^-1 sum c y, so every event counts at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Interest
from stream_app.recommend.bundle import Recommender
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.source import ALL, Rows, Source
from stream_app.recommend.table import Table
from stream_app.schemas import Reason

FADE = 0.8
"""What is left of the confidence of a liked item with each newer one."""
MIN_SHARE = 0.05
"""Least that one liked item must add to a score to be its reason."""


class _Folded(NamedTuple):
    """A user's factor, and what each liked item adds to it."""

    factor: NDArray[np.float32]
    """[factors]"""
    liked: list[int]
    """Rows of the liked items."""
    shares: NDArray[np.float32]
    """What each of them adds to the factor [liked, factors]."""


class Collaborative(Source):
    """Product of user factor and item factor: near 1 for an item that such users like."""

    name = "collaborative"

    def __init__(self, trained: Recommender) -> None:
        config = trained.config
        self._table = Table(trained.items, trained.factors, trained.place, added=False)
        self._base = trained.gram + config.ridge * np.eye(len(trained.gram), dtype=np.float32)
        self._alpha = config.alpha

    def features(self, users: Sequence[Interest], items: Catalogue) -> list[_Folded]:
        table = self._table.vectors(items)
        return [self._fold_in(user, items, table) for user in users]

    def score(
        self, features: Sequence[_Folded], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        factors = np.stack([one.factor for one in features])
        scores: NDArray[np.float32] = np.clip(factors @ self._table.vectors(items)[rows].T, -1, 1)
        return scores

    def reasons(
        self, features: Sequence[_Folded], rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        table = self._table.vectors(items)
        return [
            self._reasons(one, listed, items, table)
            for one, listed in zip(features, rows.tolist(), strict=True)
        ]

    def _reasons(
        self, one: _Folded, rows: list[int], items: Catalogue, table: NDArray[np.float32]
    ) -> list[Reason | None]:
        _, liked, shares = one
        if not liked:
            return [None for _ in rows]
        # The score is the sum of what each liked item adds: y' A^-1 c y.
        added = table[rows] @ shares.T
        best = added.argmax(1)
        return [
            self._like(liked[place], items)
            if shares_of_row[place] >= MIN_SHARE and self._table.trained(int(items.hashes[row]))
            else None
            for row, shares_of_row, place in zip(rows, added, best, strict=True)
        ]

    def _fold_in(self, user: Interest, items: Catalogue, table: NDArray[np.float32]) -> _Folded:
        liked: dict[int, float] = {}
        for event in reversed(user.events):
            row = items.row(event.item)
            if event.value > 0 and row is not None and row not in liked:
                liked[row] = 1 + (self._alpha - 1) * FADE ** len(liked)
        if not liked:
            none = np.zeros((0, 0), np.float32)
            return _Folded(np.zeros(table.shape[1], np.float32), [], none)
        factors = table[list(liked)]  # [liked, factors]
        confidence = np.array(list(liked.values()), np.float32)
        system = self._base + (factors.T * (confidence - 1)) @ factors
        shares = np.linalg.solve(system, (factors.T * confidence)).T.astype(np.float32)
        return _Folded(shares.sum(0), list(liked), shares)

    def _like(self, row: int, items: Catalogue) -> Reason:
        title = items.items[row].title
        return Reason(
            self.name,
            f"people who like “{title}”, as you do, like it too",
            f"和你一样喜欢“{title}”的人也喜欢",
        )
