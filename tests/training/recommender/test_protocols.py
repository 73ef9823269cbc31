"""Splits ask for the future only, and every model sees the same."""

import numpy as np
import pytest

from stream_app.interests.update import DAY
from stream_app.training.recommender import PROTOCOLS, Protocol, protocol
from stream_app.training.recommender.baselines import Popularity
from stream_app.training.recommender.evaluate import Frozen, evaluate
from stream_app.training.recommender.log import Interaction, Log, log_of


def made(users: int = 8, items: int = 12, count: int = 120) -> Log:
    """A random log, a third of it without liking."""
    rng = np.random.default_rng(1)
    pairs = rng.permutation(users * items)[:count]
    return log_of(
        Interaction(float(n), f"{p // items}", f"{p % items}", 2.0 if n % 3 == 0 else 5.0)
        for n, p in enumerate(pairs.tolist() * 2)
    )


def test_later_tenth_of_the_positives_is_asked_for() -> None:
    log = made()
    for name in ("time-split", "prequential"):
        training, rest, target, grows = protocol.split(log, name)
        assert len(training) + len(rest) == len(log)
        assert training.time[-1] < rest.time[0]
        assert target.sum() == log.positive.sum() // 10
        assert (rest.positive == target).all()
        assert grows is (name == "prequential")


def test_last_positive_of_every_user_is_left_out() -> None:
    log = made()
    training, rest, target, grows = protocol.split(log, "leave-last-out")
    assert target.all() and not grows
    assert sorted(rest.user.tolist()) == list(range(8))
    for _, user, _, time, _ in protocol.numbered(rest):
        assert (training.time[training.user == user] < time).all()
        after = (log.user == user) & (log.time > time)
        assert not (log.positive & after).any()
    later = sum(int(((log.user == u) & (log.time >= t)).sum()) for _, u, _, t, _ in
                protocol.numbered(rest))  # fmt: skip
    assert len(training) == len(log) - later
    assert later > 8


def test_too_short_a_log_is_refused() -> None:
    log = log_of(Interaction(float(n), f"{n}", f"{n}") for n in range(9))
    for name in PROTOCOLS:
        with pytest.raises(ValueError, match="too"):
            protocol.split(log, name)


class Watching(Frozen):
    """Keeps what it was given, in order with what it was asked."""

    def __init__(self) -> None:
        super().__init__(Popularity())
        self.seen: list[tuple[str, float]] = []

    def observe(self, log: Log, row: int) -> None:
        self.seen.append(("given", float(log.time[row])))
        super().observe(log, row)

    def score(self, user: int, now: float) -> np.ndarray:
        self.seen.append(("asked", now))
        return super().score(user, now)


@pytest.mark.parametrize("name", ["time-split", "prequential"])
def test_nothing_is_given_before_it_is_asked(name: Protocol) -> None:
    model = Watching()
    result = evaluate(made(), name, [model])
    newest = 0.0
    asked = 0
    for what, time in model.seen:
        if what == "asked":
            asked += 1
            assert newest < time
        newest = max(newest, time) if what == "given" else newest
    assert result["events"] == asked
    given_later = [t for w, t in model.seen if w == "given" and t >= result["training"]]
    assert bool(given_later) is (name == "prequential")


class Fitted(Popularity):
    """Keeps what it was fitted to."""

    def __init__(self) -> None:
        self.newest: list[float] = []

    def fit(self, log: Log) -> None:
        self.newest.append(float(log.time[-1]))
        super().fit(log)


def test_a_daily_model_knows_all_days_before() -> None:
    log = log_of(
        Interaction(n * DAY / 4, f"{n % 7}", f"{n // 7}", 5.0) for n in range(200)
    )  # fmt: skip
    daily, frozen = Fitted(), Fitted()
    evaluate(log, "prequential", [Frozen(daily, daily=True)])
    evaluate(log, "prequential", [Frozen(frozen)])
    assert len(frozen.newest) == 1
    assert len(daily.newest) == 5
    # Fitted on the first target of a day, to all that was known then.
    assert all(time % DAY == DAY * 3 / 4 for time in daily.newest[1:])
