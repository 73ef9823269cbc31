"""The baselines against their formulas."""

import numpy as np
import pytest

from stream_app.training.recommender.baselines import (
    EASE,
    IALS,
    ItemKNN,
    Popularity,
    RecentPopularity,
    matrix,
)
from stream_app.training.recommender.log import Interaction, Log, log_of
from tests import needs

DAY = 86_400.0


def halves(users: int = 20, items: int = 16) -> Log:
    """Even users like even items, odd ones odd items; each leaves out one of them."""
    return log_of(
        Interaction(n * DAY, f"{u}", f"{i}", 5.0)
        for n, (u, i) in enumerate((u, i) for u in range(users) for i in range(items))
        if u % 2 == i % 2 and i // 2 != u // 2 % (items // 2)
    )


def test_popularity_counts_what_was_liked() -> None:
    log = log_of([
        Interaction(1.0, "a", "0", 5.0), Interaction(2.0, "b", "0", 1.0),
        Interaction(40 * DAY, "b", "1", 4.0),
    ])  # fmt: skip
    every, recent = Popularity(), RecentPopularity()
    every.fit(log)
    recent.fit(log)
    assert every.score([]).tolist() == [1.0, 1.0]
    assert recent.score([]).tolist() == [0.0, 1.0]


def test_ease_solves_its_ridge_regression() -> None:
    log = halves()
    model = EASE(ridge=3.0)
    model.fit(log)
    x = matrix(log).toarray()
    # Each column on all others, by ordinary normal equations.
    column = 5
    others = [i for i in range(x.shape[1]) if i != column]
    gram = x[:, others].T @ x[:, others] + 3.0 * np.eye(len(others))
    weights = np.linalg.solve(gram, x[:, others].T @ x[:, column])
    history = [1, 3, 9]
    expected = sum(weights[others.index(i)] for i in history)
    assert model.score(history)[column] == pytest.approx(expected, abs=1e-4)
    faded = EASE(ridge=3.0, fade=0.5)
    faded.fit(log)
    expected = sum(
        w * weights[others.index(i)] for i, w in zip(history, (0.25, 0.5, 1), strict=True)
    )
    assert faded.score(history)[column] == pytest.approx(expected, abs=1e-4)


def test_ease_fitted_to_a_grown_log_is_that_fitted_at_once() -> None:
    log = halves()
    grown, fresh = EASE(ridge=3.0), EASE(ridge=3.0)
    for end in (60, 61, 90, len(log)):
        grown.fit(log.before(end))
    fresh.fit(log)
    for history in ([], [1], [1, 3, 9]):
        assert grown.score(history) == pytest.approx(fresh.score(history), abs=1e-5)


def test_itemknn_sums_cosines() -> None:
    log = halves()
    model = ItemKNN()
    model.fit(log)
    x = matrix(log).toarray()
    cosine = x.T @ x / np.outer(np.linalg.norm(x, axis=0), np.linalg.norm(x, axis=0))
    np.fill_diagonal(cosine, 0)
    assert model.score([2, 4]) == pytest.approx(cosine[2] + cosine[4], abs=1e-5)
    nearest = ItemKNN(neighbours=1)
    nearest.fit(log)
    assert (nearest.score([2]) > 0).sum() <= 8


@pytest.mark.parametrize("kind", [ItemKNN, EASE, IALS])
def test_what_a_user_of_one_half_lacks_comes_first(kind: type) -> None:
    if kind is IALS:
        needs.module("implicit", "train")
    log = halves()
    model = IALS(factors=2, ridge=1.0) if kind is IALS else kind()
    model.fit(log)
    for user in range(20):
        history = log.item[log.user == user].tolist()
        scores = model.score(history)
        scores[history] = -np.inf
        assert int(scores.argmax()) % 2 == user % 2
    assert model.score([]).shape == (16,)
