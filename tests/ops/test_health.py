"""Readiness as a function of what is known: each reason alone, none without cause."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream_app.ops.health import SILENT, STALLED, View, reasons, stalled
from stream_app.ops.progress import PERIOD, Partition, observed

WELL = View(restored=True, unread=[], partitions={}, checked_at=0.0)
PLACE = ("reviews", 0)


def seen(*looks: tuple[int, int]) -> Partition:
    """The partition after looks of (committed, end), one every `PERIOD`, the first at 0."""
    partition = None
    for number, (committed, end) in enumerate(looks):
        partition = observed(partition, committed, end, number * PERIOD)
    assert partition is not None
    return partition


def at(partition: Partition, now: float) -> list[str]:
    return reasons(WELL._replace(partitions={PLACE: partition}, checked_at=now), now)


def test_a_worker_that_is_well_is_ready() -> None:
    assert reasons(WELL, SILENT) == []


def test_each_reason_is_told() -> None:
    assert reasons(WELL._replace(restored=False), 0.0) == [
        "partitions are being assigned or tables restored"
    ]
    assert reasons(WELL._replace(unread=["trends", "models"]), 0.0) == [
        "not read to the end yet: trends, models"
    ]
    assert reasons(WELL._replace(awaited="a bundle is tried"), 0.0) == ["a bundle is tried"]
    assert reasons(WELL, SILENT + 1) == ["no offsets from the broker for 31 s"]
    everything = WELL._replace(restored=False, unread=["models"])
    assert len(reasons(everything, SILENT + 1)) == 3


def test_commits_that_stop_while_the_lag_grows() -> None:
    many = int(STALLED / PERIOD)
    stuck = seen((100, 100), *((100, 101 + 7 * n) for n in range(many + 1)))
    begun = PERIOD * 0
    assert at(stuck, begun + STALLED - 0.1) == []
    (reason,) = at(stuck, begun + STALLED)
    assert reason == (
        f"reviews/0: nothing committed for 60 s, {1 + 7 * many} messages wait and more come"
    )
    # One commit, however small, and the clock begins again.
    moved = observed(stuck, 101, stuck.end + 7, STALLED + PERIOD)
    assert at(moved, STALLED + 2 * PERIOD) == []


def test_a_lag_that_does_not_grow_is_not_a_stall() -> None:
    looks = [(0, 5)] * 40
    assert at(seen(*looks), 1e6) == []


def test_the_first_message_after_a_quiet_night_is_not_a_stall() -> None:
    night = [(100, 100)] * 5000
    partition = seen(*night, (100, 103))
    now = 5000 * PERIOD
    assert partition.lag == 3 and at(partition, now + PERIOD) == []
    assert at(partition, now - PERIOD + STALLED) != []  # it does wait from then on


def test_a_partition_that_has_just_come_is_given_time() -> None:
    assert at(seen((0, 1_000_000)), STALLED * 2) == []


def test_a_broker_that_tells_ends_below_what_was_committed() -> None:
    """The embedded broker does, of batches."""
    partition = seen((500, 400), (500, 410))
    assert partition.lag == 0 and not stalled(partition, 1e9)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60),
    st.integers(0, 40),
)
def test_stalled_is_what_it_says(steps: list[tuple[int, int]], later: int) -> None:
    """Against the definition, over the whole history."""
    committed, end = 10, 10
    history: list[tuple[int, int]] = []
    for commit, come in steps:
        end += come
        committed = min(committed + max(commit - 1, 0), end)
        history.append((committed, end))
    now = (len(history) - 1 + later) * PERIOD
    alone: Any = [
        n for n, (c, e) in enumerate(history) if n == 0 or c != history[n - 1][0] or c >= e
    ]
    idle = now - alone[-1] * PERIOD
    grown = history[-1][1] > history[alone[-1]][1]
    waits = history[-1][1] > history[-1][0]
    assert stalled(seen(*history), now) == (idle >= STALLED and grown and waits)
