"""What the bench of rolling restarts counts."""

from bench.rolling import moved, pauses

A, B = ("t", 0), ("t", 1)


def held(**members: tuple[tuple[str, int], ...]) -> dict[str, frozenset[tuple[str, int]]]:
    return {name: frozenset(parts) for name, parts in members.items()}


def test_a_member_that_comes_back_moves_nothing() -> None:
    assert moved([held(x1=(A,), y1=(B,)), held(x2=(A,), y1=(B,))]) == 0


def test_partitions_that_go_and_come_back_have_moved_twice() -> None:
    states = [held(x1=(A,), y1=(B,)), held(y1=(A, B)), held(x2=(A,), y1=(B,))]
    assert moved(states) == 2


def test_a_worker_that_is_long_away_takes_its_own_place() -> None:
    away = [held(y1=(A, B)), held(y1=(B, A, ("t", 2)))]
    states = [held(x1=(A,), y1=(B,)), *away, held(x2=(A,), y1=(B,)), held(x2=(A,), y2=(B,))]
    assert moved(states) == 2


def test_places_that_are_swapped_have_moved() -> None:
    assert moved([held(x=(A,), y=(B,)), held(x=(B,), y=(A,))]) == 2


def test_a_pause_is_the_longest_time_without_an_answer() -> None:
    assert pauses({0: [1.0, 2.0, 7.0], 1: [9.0]}, 0.0, 10.0) == {0: 5.0, 1: 9.0}
