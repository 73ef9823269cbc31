"""Splits of a log, and the targets that each asks a recommender for.

- `leave-last-out`: of every user the last positive item, all before it known; models are fitted
  to all interactions but those targets and what the same user did afterwards.
- `time-split`: fitted to the first nine tenths, every later positive is a target and histories
  end at the split.
- `prequential`: fitted to the first nine tenths, then interaction by interaction: ranked, then
  known. What learns as it goes may.

The log is cut at nine tenths of its positive interactions. Items that a user has rated, low
or high, are no candidates any more.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stream_app.training.recommender import Protocol
from stream_app.training.recommender.log import Log


class Split(NamedTuple):
    """What models are fitted to, and what follows in the order in which it is asked."""

    training: Log
    rest: Log
    target: np.ndarray
    """Whether a model is asked for the interaction, [rest]."""
    grows: bool
    """Whether an interaction becomes known before the next is asked for."""


def split(log: Log, protocol: Protocol) -> Split:
    """The split of a log. Raises ValueError where nothing is left to ask for."""
    positives = np.flatnonzero(log.positive)
    if protocol == "leave-last-out":
        chosen = _last(log)
        rest = log.chosen(chosen)
        ends = np.full(len(log.users), len(log))
        ends[rest.user] = chosen
        rows = np.flatnonzero(np.arange(len(log)) < ends[log.user])
        result = Split(log.chosen(rows), rest, np.ones(len(rest), bool), False)
    else:
        if len(positives) < 10:
            raise ValueError(f"{len(positives)} positive interactions are too few to split")
        cut = int(positives[len(positives) - len(positives) // 10])
        rest = log.chosen(np.arange(cut, len(log)))
        result = Split(log.before(cut), rest, rest.positive, protocol == "prequential")
    if not result.target.any() or not result.training.positive.any():
        raise ValueError("the log is too short for this protocol")
    return result


def _last(log: Log) -> np.ndarray:
    """Rows of the last positive interaction of each user who has two."""
    last: dict[int, int] = {}
    count: dict[int, int] = {}
    for row in np.flatnonzero(log.positive):
        user = int(log.user[row])
        last[user] = int(row)
        count[user] = count.get(user, 0) + 1
    return np.array(sorted(row for user, row in last.items() if count[user] > 1), np.int64)


def numbered(log: Log) -> Iterator[tuple[int, int, int, float, bool]]:
    """(row, user, item, time, positive) of each interaction."""
    columns = (log.user, log.item, log.time, log.positive)
    for row, (user, item, time, positive) in enumerate(zip(*columns, strict=True)):
        yield row, int(user), int(item), float(time), bool(positive)
