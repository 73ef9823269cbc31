"""When the negative share of a subject's reviews rises: a verdict on its counts by window.

`judge` is a pure function of closed windows. A surge begins at the window where the negatives of
the last few windows are too many for the share of the windows before. Spans of several lengths
are tested, so that a small volume has time to add up; their p-values are combined by the harmonic
mean (Wilson 2019, doi:10.1073/pnas.1814092116), which tolerates that spans share their windows.

No window looks back further than `memory`: a ring of twice that many windows judges its newer
half as the whole history would, but for surges that began before the ring.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import betainc

Array = npt.NDArray[np.float64]

_SCREEN = 2.0
"""Standard deviations above the baseline under which a span's tail cannot matter."""


class Window(msgspec.Struct, frozen=True, gc=False):
    """What was counted in one tumbling window of event time."""

    index: int
    reviews: int
    negatives: int


class Surge(msgspec.Struct, frozen=True, gc=False):
    """A rise of the negative share, with the counts of the span that showed it best."""

    begin: int
    """Index of the window at which it was detected."""
    end: int | None
    """Index of the window at which it was found to be over; None while open."""
    reviews: int
    negatives: int
    rate: float
    """Negative share of that span."""
    baseline: float
    """Negative share expected in it."""
    p_value: float
    """Combined over all spans ending at `begin`."""


class SurgeRule(msgspec.Struct, frozen=True):
    """When a rise is a surge. Lengths are in windows; `bench/surge.py` measures alpha."""

    share: float = 0.15
    """Negative share of a subject that nobody has reviewed yet."""
    weight: float = 5.0
    """How many reviews that expectation is worth."""
    memory: int = 48
    """How far a verdict looks back, span and baseline together: half of the ring."""
    half_life: float = 48.0
    """Of a window's weight in the baseline."""
    spans: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16)
    stress: tuple[float, ...] = (0.5, 1.5, 2.0, 2.0, 1.5, 1.0, 1.0, 1.0)
    """Weights of the spans' p-values: most where a surge of few windows is still small."""
    alpha: float = 2e-3
    """Highest combined p-value of a surge: one false alarm in 1,000 quiet windows or fewer."""
    odds: float = 1.5
    """Least rise of the odds of a negative review: with many reviews a trifle is significant."""
    reviews: int = 5
    negatives: int = 3
    """Least counts in a span."""
    calm: int = 4
    """Windows over which the share must be back near the baseline for a surge to be over."""
    near: float = 0.25
    """How near: a part of the way from the baseline up to the surge's rate."""
    cool_down: int = 6
    """Windows after a surge in which no other begins."""
    longest: int = 24
    """Windows after which the new level counts as normal."""

    def __post_init__(self) -> None:
        if not self.spans or min(self.spans) < 1 or max(self.spans) >= self.memory:
            raise ValueError("spans: from 1 to memory - 1")
        if len(self.stress) != len(self.spans) or min(self.stress) <= 0:
            raise ValueError("stress: above 0, one for each span")
        if not (0 < self.share < 1 and self.weight > 0):
            raise ValueError("share: between 0 and 1, with a positive weight")
        if not 1 <= self.calm <= self.longest <= self.memory:
            raise ValueError("calm, longest, memory: each at least 1 and at most the next")
        if not (self.half_life > 0 and self.odds >= 1 and self.negatives >= 1):
            raise ValueError("half_life above 0, odds and negatives at least 1")


def judge(windows: Sequence[Window], now: int, rule: SurgeRule) -> list[Surge]:
    """The surges in the windows before index `now`, oldest first; at most the last is open.

    `windows` are sorted by index, each index once; a missing one had no reviews. Time and memory
    grow with the range of the indexes.
    """
    closed = [window for window in windows if window.index < now]
    if sum(window.negatives for window in closed) < rule.negatives:
        return []
    first = closed[0].index
    counts = np.zeros((2, now - first))
    for window in closed:
        counts[:, window.index - first] = window.reviews, window.negatives
    return list(_surges(counts, first, rule))


class _Begin(NamedTuple):
    """The window at which a surge begins, by its place in the counts."""

    at: int
    span: int
    """Length of the span of lowest p-value that ends there."""
    baseline: float
    """Negative share expected in that span."""
    p_value: float
    """Combined over all spans."""


def _surges(counts: Array, first: int, rule: SurgeRule) -> Iterator[Surge]:
    """Surges of the windows `first`, …; `counts`: reviews and negatives by window, [2, windows]."""
    known = counts.copy()
    begin = _begin(known, 0, rule)
    while begin is not None:
        onset = max(begin.at - begin.span + 1, 0)
        reviews, negatives = (int(n) for n in known[:, onset : begin.at + 1].sum(axis=1))
        rate = negatives / reviews
        limit = begin.baseline + rule.near * (rate - begin.baseline)
        end = _end(counts, begin.at, limit, rule)
        yield Surge(
            begin.at + first,
            None if end is None else end + first,
            reviews,
            negatives,
            rate,
            begin.baseline,
            begin.p_value,
        )
        if end is None:
            return
        if end == begin.at + rule.longest:
            known[:, :onset] = 0  # the new level is normal: the old one is no baseline now
        else:
            known[:, onset : end + 1] = 0  # neither evidence nor baseline
        begin = _begin(known, end + rule.cool_down + 1, rule)


def _begin(known: Array, start: int, rule: SurgeRule) -> _Begin | None:
    """The first window from `start` on at which a surge begins.

    `known` [2, windows]: reviews and negatives.

    For example, three windows of 10 reviews each have 1, 1 and 8 negative ones. The last window
    alone (a span of 1) is compared with the two before it, which weigh 1 and 0.986 by their age,
    and with the prior of 5 reviews, 15 % of them negative: (0.75 + 1.986) / (5 + 19.86) = 0.110 is
    its baseline. To see 8 or more of 10 then has the probability 2.5e-5. The last two windows have
    9 of 20 against a baseline of 0.117: 0.012. Longer spans have no excess and count as 1. The
    harmonic mean with the weights `stress` is 10.5 / (0.5 / 2.5e-5 + 1.5 / 0.012 + 8.5) = 5.2e-4,
    below `alpha`: a surge begins at the third window, and the span of 1 shows it best.
    """
    if start >= known.shape[1]:
        return None
    first = max(start - rule.memory + 1, 0)
    padded = np.zeros((2, known.shape[1] - first + rule.memory - 1))
    padded[:, rule.memory - 1 :] = known[:, first:]
    # Of each window from `start` on the last `memory`, itself included [2, windows, memory].
    recent = sliding_window_view(padded, rule.memory, axis=1)[:, start - first :]
    # A window without a negative review cannot begin a surge.
    rows = np.flatnonzero(known[1, start:])  # [rows]
    sums = recent[:, rows] @ _weights(rule)  # [2, rows, 2 · spans]
    width = len(rule.spans)
    reviews, negatives = sums[..., :width]  # [rows, spans] each: in the span
    prior = np.array([rule.weight, rule.weight * rule.share])
    base, expected = sums[..., width:] + prior[:, None, None]  # [rows, spans] each: before it
    share = expected / base
    # Beta-binomial by its first two moments: a binomial of fewer reviews, for the baseline is
    # itself an estimate.
    spread = (reviews + base) / (1 + base)
    excess = negatives - share * reviews
    candidate = (
        (excess > _SCREEN * np.sqrt(spread * reviews * share * (1 - share)))
        & (negatives >= rule.negatives)
        & (reviews >= rule.reviews)
        & (negatives * (1 - share) > rule.odds * share * (reviews - negatives))
    )  # [rows, spans]
    some = np.flatnonzero(candidate.any(axis=1))  # [some]
    if not len(some):
        return None
    tails = np.ones((len(some), width))  # [some, spans]: p-values
    mask = candidate[some]
    n, x, m, s = (a[some][mask] for a in (reviews, negatives, share, spread))  # [candidates] each
    tails[mask] = np.maximum(betainc(x / s, (n - x) / s + 1, m), 1e-300)
    combined = sum(rule.stress) / (1 / tails @ np.array(rule.stress))  # [some]
    hits = np.flatnonzero(combined <= rule.alpha)
    if not len(hits):
        return None
    hit = hits[0]
    best = int(tails[hit].argmin())
    row = some[hit]
    return _Begin(
        start + int(rows[row]), rule.spans[best], float(share[row, best]), float(combined[hit])
    )


def _end(counts: Array, begin: int, limit: float, rule: SurgeRule) -> int | None:
    """The window at which a surge is over: share back under `limit`, or the longest time."""
    for at in range(begin + rule.calm, min(begin + rule.longest, counts.shape[1])):
        reviews, negatives = counts[:, at - rule.calm + 1 : at + 1].sum(axis=1)
        if reviews >= rule.reviews and negatives <= limit * reviews:
            return at
    last = begin + rule.longest
    return last if last < counts.shape[1] else None


@lru_cache(maxsize=16)
def _weights(rule: SurgeRule) -> npt.NDArray[Any]:
    """Weights of the last `memory` windows, [memory, 2 · spans]: in each span, in its baseline."""
    age = np.arange(rule.memory)[::-1, None]
    spans = np.array(rule.spans)
    decay = 0.5 ** ((age - spans) / rule.half_life)
    return np.hstack([age < spans, np.where(age >= spans, decay, 0.0)])
