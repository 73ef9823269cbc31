"""What a recommender must beat: models fitted once to a log, users read from their history.

None learns after `fit`; a user's own new interactions count at once in those that read histories.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from stream_app.training.recommender.log import Log

MONTH = 30 * 86_400.0
Scores = NDArray[np.float32]


class Baseline(Protocol):
    """Fits a log, scores all items for a user."""

    @property
    def name(self) -> str: ...

    def fit(self, log: Log) -> None:
        """Learn from the positive interactions of a log."""
        ...

    def score(self, history: Sequence[int]) -> Scores:
        """Scores [items] for a user whose positive items are `history`, oldest first."""
        ...


def matrix(log: Log) -> scipy.sparse.csr_matrix:
    """Positive interactions as ones, [users, items]."""
    user, item = log.user[log.positive], log.item[log.positive]
    shape = (len(log.users), len(log.items))
    ones = scipy.sparse.csr_matrix((np.ones(len(user), np.float32), (user, item)), shape)
    ones.data[:] = 1
    return ones


class Popularity:
    """Positive interactions of each item."""

    name = "popularity"

    def fit(self, log: Log) -> None:
        self._counts = np.bincount(log.item[log.positive], minlength=len(log.items))

    def score(self, history: Sequence[int]) -> Scores:
        return self._counts.astype(np.float32)


class RecentPopularity:
    """Positive interactions of each item in the last thirty days of the log fitted."""

    name = "popularity_30d"

    def fit(self, log: Log) -> None:
        recent = log.positive & (log.time >= log.time[-1] - MONTH)
        self._counts = np.bincount(log.item[recent], minlength=len(log.items))

    def score(self, history: Sequence[int]) -> Scores:
        return self._counts.astype(np.float32)


class ItemKNN:
    """Sum of cosines with the history's items (Sarwar et al., WWW 2001), `neighbours` an item."""

    name = "itemknn"

    def __init__(self, neighbours: int = 100) -> None:
        self._neighbours = neighbours

    def fit(self, log: Log) -> None:
        ones = matrix(log)
        lengths = np.sqrt(np.maximum(np.asarray(ones.sum(0)).ravel(), 1))
        together = (ones.T @ ones).tocsr()
        together = scipy.sparse.diags(1 / lengths) @ together @ scipy.sparse.diags(1 / lengths)
        together = together.tolil()
        together.setdiag(0)
        self._likeness = self._nearest(together.tocsr())

    def _nearest(self, likeness: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        for row in range(likeness.shape[0]):
            own = likeness.data[likeness.indptr[row] : likeness.indptr[row + 1]]
            if len(own) > self._neighbours:
                own[own < np.partition(own, -self._neighbours)[-self._neighbours]] = 0
        likeness.eliminate_zeros()
        return likeness

    def score(self, history: Sequence[int]) -> Scores:
        rows = self._likeness[list(history)]
        return np.asarray(rows.sum(0), np.float32).ravel()


class EASE:
    """Item weights of a ridge regression without diagonal in closed form (Steck, WWW 2019).

    `fade`: what each step back in the history counts less; 1: all alike. Fitted again to a log
    that has grown, it updates the inverse by the rows of the users who did something (Woodbury).
    """

    def __init__(self, ridge: float = 200.0, fade: float = 1.0) -> None:
        self.name = "ease" if fade == 1 else "ease_recent"
        self._ridge = ridge
        self._fade = fade
        self._ones: scipy.sparse.csr_matrix | None = None

    def fit(self, log: Log) -> None:
        ones = matrix(log)
        if self._ones is None:
            self._inverse = self._inverted(ones)
        else:
            self._update(self._ones, ones)
        self._ones = ones

    def _inverted(self, ones: scipy.sparse.csr_matrix) -> NDArray[np.float64]:
        """(X'X + ridge I)^-1 [items, items]; of an item nobody liked only the diagonal is there."""
        known = np.flatnonzero(np.asarray(ones.sum(0)).ravel())
        gram = np.asarray((ones[:, known].T @ ones[:, known]).todense(), np.float64)
        gram[np.diag_indices(len(gram))] += self._ridge
        inverse = np.zeros((ones.shape[1], ones.shape[1]))
        np.fill_diagonal(inverse, 1 / self._ridge)
        inverse[np.ix_(known, known)] = scipy.linalg.inv(gram, overwrite_a=True)
        return inverse

    def _update(self, old: scipy.sparse.csr_matrix, new: scipy.sparse.csr_matrix) -> None:
        users = np.flatnonzero(np.asarray((new != old).sum(1)).ravel())
        if not len(users):
            return
        # X'X loses the outer products of the users' old rows and gains those of their new ones.
        rows = scipy.sparse.vstack([old[users], new[users]]).tocsr()
        signs = np.repeat([-1.0, 1.0], len(users))
        across = rows @ self._inverse
        inner = np.diag(signs) + across @ rows.T
        scipy.linalg.blas.dgemm(
            -1.0, across.T, np.linalg.solve(inner, across), 1.0, self._inverse.T,
            overwrite_c=True,
        )  # fmt: skip

    def score(self, history: Sequence[int]) -> Scores:
        faded = self._fade ** np.arange(len(history), dtype=np.float64)[::-1]
        rows = self._inverse[list(history)]
        # An item gives no weight to itself.
        rows[np.arange(len(history)), list(history)] = 0
        return np.asarray(-(faded @ rows) / np.diag(self._inverse), np.float32)


class IALS:
    """Implicit alternating least squares (Hu et al., ICDM 2008) by the library `implicit`; a
    user's factor is folded in from the history in closed form."""

    name = "ials"

    def __init__(
        self, factors: int = 64, ridge: float = 0.01, alpha: float = 10.0, iterations: int = 15
    ) -> None:
        self.ridge, self.alpha = ridge, alpha
        self._options = {
            "factors": factors, "regularization": ridge, "alpha": alpha, "iterations": iterations,
        }  # fmt: skip

    @property
    def factors(self) -> Scores:
        """Of the items [items, factors]."""
        factors: Scores = self._model.item_factors
        return factors

    def fit(self, log: Log) -> None:
        from implicit.als import AlternatingLeastSquares

        self._model = AlternatingLeastSquares(**self._options, use_gpu=False, random_state=7)
        self._model.fit(matrix(log), show_progress=False)

    def score(self, history: Sequence[int]) -> Scores:
        items = self._model.item_factors
        if not history:
            return np.zeros(len(items), np.float32)
        columns = np.unique(np.array(history))
        shape = (1, len(items))
        zeros = np.zeros(len(columns), np.int64)
        ones = scipy.sparse.csr_matrix((np.ones(len(columns), np.float32), (zeros, columns)), shape)
        user = self._model.recalculate_user(0, ones)
        return np.asarray(items @ np.asarray(user).ravel(), np.float32)


def baselines() -> list[Baseline]:
    """All of them, untuned."""
    return [Popularity(), RecentPopularity(), ItemKNN(), IALS(), EASE(), EASE(fade=0.8)]
