"""How many messages a second, and how long they took: the newest minutes only."""

from collections import deque
from typing import NamedTuple

SECONDS = 300
"""How far back rates and latencies are known."""
NOW = 10
"""Seconds that the present rate is counted over."""
SAMPLES = 4096


class Rates:
    """Counts by second."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, time: float) -> None:
        """Count one message of this time, seconds since the epoch."""
        second = int(time)
        self._counts[second] = self._counts.get(second, 0) + 1
        if len(self._counts) > 2 * SECONDS:
            oldest = max(self._counts) - SECONDS
            self._counts = {s: count for s, count in self._counts.items() if s > oldest}

    def rate(self, now: float, seconds: int = NOW) -> float:
        """Messages a second in the last `seconds`."""
        end = int(now)
        return sum(self._counts.get(end - back, 0) for back in range(seconds)) / seconds

    def series(self, now: float, step: int) -> list[tuple[int, float]]:
        """Begin of each step of the last SECONDS, and messages a second in it."""
        end = int(now) // step * step
        return [
            (begin, sum(self._counts.get(begin + s, 0) for s in range(step)) / step)
            for begin in range(end - SECONDS, end, step)
        ]


class Quantiles(NamedTuple):
    """Of seconds taken."""

    median: float
    high: float
    """95 of 100 took at most so long."""
    samples: int


class Latencies:
    """Seconds that messages took, with the time at which each was done."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)

    def add(self, time: float, seconds: float) -> None:
        """One message, done at `time`. Clocks of two machines may differ: never below zero."""
        self._samples.append((time, max(seconds, 0.0)))

    def quantiles(self, now: float) -> Quantiles | None:
        """Of the last SECONDS; None if nothing came."""
        taken = sorted(seconds for time, seconds in self._samples if time > now - SECONDS)
        if not taken:
            return None
        last = len(taken) - 1
        return Quantiles(taken[last // 2], taken[round(last * 0.95)], len(taken))
