"""Surges of negative reviews: hand-made sequences, then seeded streams."""

import random
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import betainc

from stream_app.alerts.surge import Surge, SurgeRule, Window, _weights, judge

RULE = SurgeRule()
RING = 2 * RULE.memory


def windows(counts: Iterable[tuple[int, int]], first: int = 0) -> list[Window]:
    """Of (reviews, negatives), one after another."""
    return [Window(first + i, reviews, bad) for i, (reviews, bad) in enumerate(counts)]


def verdict(counts: Sequence[tuple[int, int]], rule: SurgeRule = RULE) -> list[Surge]:
    return judge(windows(counts), len(counts), rule)


CALM = [(20, 2)] * 50
BAD = (20, 12)


def test_the_worked_example_of_a_begin() -> None:
    """Number by number what the docstring of `_begin` says."""
    counts = [(10, 1), (10, 1), (10, 8)]
    seen = np.zeros((2, RULE.memory))
    seen[:, -3:] = np.array(counts).T
    spans, baselines = np.split(seen @ _weights(RULE), 2, axis=1)
    baselines += np.array([[RULE.weight], [RULE.weight * RULE.share]])
    assert baselines[:, 0] == pytest.approx([5 + 19.86, 0.75 + 1.986], abs=5e-3)
    share = baselines[1] / baselines[0]
    assert share[:2] == pytest.approx([0.110, 0.117], abs=5e-4)
    assert spans[:, 1].tolist() == [20, 9]
    spread = (spans[0] + baselines[0]) / (1 + baselines[0])
    n, x = spans / spread
    tails = betainc(x, n - x + 1, share)
    assert tails[:2] == pytest.approx([2.5e-5, 0.012], rel=0.03)
    (surge,) = verdict(counts)
    assert (surge.begin, surge.reviews, surge.negatives) == (2, 10, 8)
    assert surge.baseline == pytest.approx(0.110, abs=5e-4)
    assert sum(RULE.stress) == 10.5
    assert surge.p_value == pytest.approx(5.2e-4, rel=0.01)
    assert surge.p_value == pytest.approx(10.5 / (0.5 / tails[0] + 1.5 / tails[1] + 8.5))
    assert surge.p_value < RULE.alpha


def test_calm_is_no_surge() -> None:
    assert verdict(CALM) == []
    assert judge([], 7, RULE) == []


def test_begins_at_once_with_its_evidence() -> None:
    [surge] = verdict([*CALM, BAD])
    assert (surge.begin, surge.end) == (50, None)
    assert (surge.reviews, surge.negatives, surge.rate) == (20, 12, 0.6)
    assert surge.baseline == pytest.approx(0.1, abs=0.005)
    assert 0 < surge.p_value < RULE.alpha


def test_open_windows_are_not_judged() -> None:
    counts = windows([*CALM, BAD])
    assert judge(counts, 50, RULE) == []
    assert len(judge(counts, 51, RULE)) == 1


def test_small_volumes_add_up() -> None:
    slow = [(2, 0), (2, 0), (2, 0), (2, 1)] * 15 + [(2, 1), (2, 2)] * 6
    [surge] = verdict(slow)
    assert surge.begin > 61
    assert surge.reviews > 2


def test_begins_only_at_a_window_with_negatives() -> None:
    for surge in verdict([*CALM, (20, 6), (0, 0), (20, 6), (0, 0), (20, 6), (20, 7)]):
        assert surge.begin in (50, 52, 54, 55)


def test_ends_when_the_share_is_back() -> None:
    [surge] = verdict([*CALM, *[BAD] * 5, *[(20, 2)] * 20])
    assert surge.begin == 50
    assert surge.end is not None
    assert 55 < surge.end < 55 + RULE.calm


def test_stays_open_while_the_share_is_half_way_back() -> None:
    [surge] = verdict([*CALM, *[BAD] * 3, *[(20, 7)] * 12])
    assert surge.end is None


def test_silence_is_no_end() -> None:
    [surge] = verdict([*CALM, BAD, *[(0, 0)] * 10])
    assert surge.end is None


def test_no_second_begin_while_cooling_down() -> None:
    counts = [*CALM, *[BAD] * 3, *[(20, 2)] * 4]
    [first] = verdict(counts)
    assert first.end is not None
    counts = [*counts[: first.end + 1], *[BAD] * 12]
    before, after = verdict(counts)
    assert before == first
    assert after.begin == first.end + RULE.cool_down + 1


def test_a_past_surge_is_neither_evidence_nor_baseline() -> None:
    counts = [*CALM, *[BAD] * 5, *[(20, 2)] * 20, BAD]
    first, second = verdict(counts)
    assert second.begin == len(counts) - 1
    assert second.baseline == pytest.approx(first.baseline, abs=0.01)
    assert second.reviews == 20


def test_a_lasting_level_becomes_normal() -> None:
    [surge] = verdict([*CALM, *[BAD] * 60])
    assert surge.end == 50 + RULE.longest
    _, second = verdict([*CALM, *[BAD] * 60, (20, 20), (20, 20)])
    assert second.baseline == pytest.approx(0.6, abs=0.05)


def test_too_few_reviews_or_negatives() -> None:
    assert verdict([(50, 0)] * 40 + [(2, 2)]) == []
    strict = msgspec.structs.replace(RULE, reviews=100)
    assert verdict([*CALM, BAD], strict) == []


def test_a_significant_trifle_is_no_surge() -> None:
    counts = [(20_000, 2000)] * 40 + [(20_000, 2400)] * 10
    assert verdict(counts) == []
    assert verdict(counts, msgspec.structs.replace(RULE, odds=1.0)) != []


def test_a_missing_window_had_no_reviews() -> None:
    full = windows([*CALM, (0, 0), (0, 0), BAD, (0, 0), (20, 9)])
    some = [window for window in full if window.reviews]
    assert judge(some, 55, RULE) == judge(full, 55, RULE) != []


def test_indexes_may_start_anywhere() -> None:
    counts = [*CALM, *[BAD] * 5, *[(20, 2)] * 20]
    [here], [there] = verdict(counts), judge(windows(counts, -30), 45, RULE)
    assert (there.begin, there.end) == (here.begin - 30, (here.end or 0) - 30)


def test_order_of_arrival_is_nothing() -> None:
    """Counting reviews one by one in any order gives the same windows, and so the same verdict."""
    reviews = [(i, j < bad) for i, (n, bad) in enumerate([*CALM, *[BAD] * 4]) for j in range(n)]
    verdicts = []
    for seed in range(3):
        random.Random(seed).shuffle(reviews)
        counts: dict[int, tuple[int, int]] = {}
        for index, bad in reviews:
            seen, negatives = counts.get(index, (0, 0))
            counts[index] = seen + 1, negatives + bad
        verdicts.append(judge([Window(i, *counts[i]) for i in sorted(counts)], 54, RULE))
    assert verdicts[0] == verdicts[1] == verdicts[2] != []


@pytest.mark.parametrize(
    "wrong",
    [
        {"spans": ()},
        {"spans": (0, 1)},
        {"spans": (48,), "stress": (1.0,)},
        {"stress": (1.0,)},
        {"spans": (1, 2), "stress": (1.0, 0.0)},
        {"share": 0.0},
        {"weight": 0.0},
        {"calm": 0},
        {"longest": 2},
        {"half_life": 0.0},
        {"odds": 0.5},
    ],
)
def test_impossible_rules(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        SurgeRule(**wrong)  # type: ignore[arg-type]


COUNTS = st.integers(0, 2000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.integers(-200, 200), COUNTS, max_size=96), st.integers(-250, 250))
@example({-14: (596, 113), -13: (6, 6), -11: (257, 1), -1: (602, 158)}, 0)
def test_any_counts_are_judged(counts: dict[int, tuple[int, int]], now: int) -> None:
    surges = judge([Window(i, *counts[i]) for i in sorted(counts)], now, RULE)
    last = -1000
    for surge in surges:
        end = surge.end if surge.end is not None else now
        assert last < surge.begin < now
        assert surge.begin <= end <= min(now, surge.begin + RULE.longest)
        assert 0 < surge.negatives <= surge.reviews
        assert 0 < surge.baseline < surge.rate <= 1
        assert 0 < surge.p_value <= RULE.alpha
        last = end
    assert all(surge.end is not None for surge in surges[:-1])


def streams(
    seed: int, count: int, volume: int, shares: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> list[list[tuple[int, int]]]:
    """Poisson reviews, binomial negatives, by stream."""
    rng = np.random.default_rng(seed)
    reviews = rng.poisson(volume, (count, len(shares)))
    negatives = rng.binomial(reviews, shares)
    return [
        list(zip(r, x, strict=True))
        for r, x in zip(reviews.tolist(), negatives.tolist(), strict=True)
    ]


@pytest.mark.parametrize(("volume", "share"), [(5, 0.3), (50, 0.2), (500, 0.3)])
def test_false_alarms(volume: int, share: float) -> None:
    """At most one in 1,000 quiet windows; 80,000 here, so 1.3 leaves three standard errors."""
    quiet = streams(11, 200, volume, np.full(400, share))
    assert sum(len(verdict(stream)) for stream in quiet) <= 1.3 * 80


@pytest.mark.parametrize(
    ("volume", "share", "jump", "least"), [(5, 0.1, 4, 0.95), (50, 0.1, 2, 0.95), (500, 0.05, 2, 1)]
)
def test_detection(volume: int, share: float, jump: int, least: float) -> None:
    shares = np.full(96 + 24, share)
    shares[96:] *= jump
    found = [
        any(surge.begin >= 96 for surge in verdict(stream))
        for stream in streams(12, 100, volume, shares)
    ]
    assert np.mean(found) >= least


@pytest.mark.parametrize(("volume", "share"), [(5, 0.2), (50, 0.1)])
def test_the_newer_half_of_a_ring_needs_no_more_history(volume: int, share: float) -> None:
    """Evicted windows change a begin only through a surge that began with them."""
    shares = np.full(1000, share)
    for start in range(60, 1000, 160):
        shares[start : start + 10] *= 3
    same = seen = 0
    for stream in streams(13, 10, volume, shares):
        for now in range(RING, 1000, 7):
            whole, ring = (
                {s.begin for s in judge(windows(part, now - len(part)), now, RULE)}
                for part in (stream[:now], stream[now - RING : now])
            )
            newer = [{b for b in begins if b >= now - RULE.memory} for begins in (whole, ring)]
            seen += len(newer[0] | newer[1])
            same += len(newer[0] & newer[1])
    assert seen > 200
    assert same / seen >= 0.95
