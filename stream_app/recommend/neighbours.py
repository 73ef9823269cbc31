"""Items that people take shortly before or after those that the user took last.

Counted as it happens, without training: every event of a user raises the weight between its item
and the items of the events before it, less for each step between (`steps`). The weights live with
the later item's record, whose trend tells them to every worker. They are statistics, not state:
an event that comes late, or again after a crash, is paired with what the record holds then.

Score of item i for a user whose events back from the newest are for items j(0), j(1), ...:
log(1 + s / LEAST) / log(1 + MOST / LEAST) with s = sum of RECENT^k v(k) (w(i, j(k)) + w(j(k), i)) /
sqrt(1 + the sum of all w(i, .)), so that what goes with everything does not come first for all;
v grows with the value of the event from LOOK to 1.
"""

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Event, Interest
from stream_app.messages.identity import hash64
from stream_app.recommend.catalogue import Catalogue, resized
from stream_app.recommend.source import ALL, Rows, Source, top
from stream_app.schemas import Reason, Trend
from stream_app.subjects.pairs import unpack

WINDOW = 10
"""Events back to which an event is paired, and from which a user is scored."""
COUNTED = 0.8
"""What each step between two events takes from the weight of their pair."""
RECENT = 0.8
"""What each step back takes from the say of a user's event."""
LOOK = 0.6
"""Say of an event of value 0, as a share of one of value 1."""
LEAST, MOST = 0.05, 50.0
"""Sums between which the score grows by their logarithm from 0 to 1."""
FOLLOWERS = 256
"""Most items kept that were taken after one: the heaviest."""
MIN_WEIGHT = 1.0
"""Weight under which neighbours are no reason."""


def steps(events: Sequence[Event], event_id: int) -> list[tuple[int, float]]:
    """Other items of the events before the one of that id, and the weight of each pair.

    `events` is a record's ring; empty where the event is no longer in it.
    """
    place = next((n for n, event in enumerate(events) if event.id == event_id), 0)
    item = events[place].item if events else 0
    weights: dict[int, float] = {}
    for step, event in enumerate(reversed(events[max(0, place - WINDOW) : place])):
        if event.item != item:
            weights[event.item] = weights.get(event.item, 0.0) + COUNTED**step
    return list(weights.items())


class _Pairs:
    """Other items of one item, by number, with the weight of each pair; at most FOLLOWERS."""

    __slots__ = ("_others", "_size", "_weights")

    def __init__(self) -> None:
        self._others, self._weights = np.zeros(4, np.int32), np.zeros(4, np.float32)
        self._size = 0

    @property
    def others(self) -> NDArray[np.int32]:
        return self._others[: self._size]

    @property
    def weights(self) -> NDArray[np.float32]:
        return self._weights[: self._size]

    def replace(self, others: NDArray[np.int32], weights: NDArray[np.float32]) -> None:
        """These instead of all."""
        self._others, self._weights, self._size = others, weights, len(others)

    def set(self, other: int, weight: float) -> None:
        """One pair's weight; the lightest goes where there is no room."""
        places = np.flatnonzero(self.others == other)
        if len(places):
            place = int(places[0])
        elif self._size < FOLLOWERS:
            if self._size == len(self._others):
                self._others = resized(self._others, 2 * self._size)
                self._weights = resized(self._weights, 2 * self._size)
            place = self._size
            self._size += 1
        else:
            place = int(self.weights.argmin())
            if self.weights[place] >= weight:
                return
        self._others[place], self._weights[place] = other, weight


class _Own(NamedTuple):
    """One of a user's items."""

    say: float
    number: int
    item: int
    """Hash."""


_Recent = list[_Own]


class _Met(NamedTuple):
    """Pairs of recent items and others, each [pairs]."""

    users: NDArray[np.int64]
    """Places of the users, ascending."""
    places: NDArray[np.int64]
    """Of the recent item among the user's."""
    others: NDArray[np.int32]
    """Numbers."""
    weights: NDArray[np.float32]
    """What the pair weighs, times the say of the recent item."""


class Neighbours(Source):
    """Weights of pairs, read both ways."""

    name = "neighbours"

    def __init__(self) -> None:
        # Items are numbered in the order in which they are met: rows of the catalogue move.
        self._numbers: dict[int, int] = {}
        self._before: list[_Pairs] = []
        """By item: the items taken before it."""
        self._after: list[_Pairs] = []
        """The same turned round."""
        self._mass: list[float] = []
        """By item: the sum of `before`."""
        self._rows = np.zeros(0, np.int64)
        self._version, self._count = -1, 0

    def put(self, trend: Trend) -> None:
        item = self._number(hash64(trend.subject.removeprefix("item:")))
        pairs = unpack(trend.neighbours)
        others = np.array([self._number(h) for h in pairs["item"].tolist()], np.int32)
        weights = pairs["weight"].astype(np.float32)
        before = self._before[item]
        gone = dict(zip(before.others.tolist(), before.weights.tolist(), strict=True))
        for other, weight in zip(others.tolist(), weights.tolist(), strict=True):
            if gone.pop(other, None) != weight:
                self._after[other].set(item, weight)
        for other in gone:
            self._after[other].set(item, 0.0)
        before.replace(others, weights)
        self._mass[item] = float(weights.sum())

    def read(self, users: Sequence[Interest], items: Catalogue) -> list[_Recent]:
        return [self._recent(user) for user in users]

    def score(
        self, read: Sequence[_Recent], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        scores = np.zeros((len(read), len(items)), np.float32)
        owners, found, sums = self._sums(read, items)
        scores[owners, found] = np.log1p(sums / LEAST) / np.log1p(MOST / LEAST)
        return np.minimum(scores[:, rows], np.float32(1))

    def candidates(
        self, read: Sequence[_Recent], items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        owners, found, sums = self._sums(read, items)
        ends = np.searchsorted(owners, np.arange(1, len(read)))
        return [
            own[top(of_own, count)]
            for own, of_own in zip(np.split(found, ends), np.split(sums, ends), strict=True)
        ]

    def reasons(
        self, read: Sequence[_Recent], rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        self._follow(items)
        recents = [[own for own in recent if items.row(own.item) is not None] for recent in read]
        pairs = self._pairs(recents)
        # A pair counts where its other item is in its user's list.
        listed, places = np.unique(rows, return_inverse=True)
        known = [self._numbers.get(item, -1) for item in items.hashes[listed].tolist()]
        numbers = np.where(rows < 0, -1, np.array(known)[places].reshape(rows.shape))
        met = len(self._numbers) + 1
        wanted = (np.arange(len(read))[:, None] * met + numbers).ravel()
        order = np.argsort(wanted)
        asked = pairs.users * met + pairs.others
        found = order[np.minimum(np.searchsorted(wanted, asked, sorter=order), wanted.size - 1)]
        hit = wanted[found] == asked
        # What each of the recent items adds to each item of the list.
        cells = found[hit] * WINDOW + pairs.places[hit]
        pulls = np.bincount(cells, pairs.weights[hit], wanted.size * WINDOW)
        pulls = pulls.reshape(*rows.shape, WINDOW)
        enough, strongest = pulls.sum(2) >= MIN_WEIGHT, pulls.argmax(2)
        reasons = []
        for recent, holds, best in zip(recents, enough.tolist(), strongest.tolist(), strict=True):
            told = {k: self._reason(recent[k].item, items) for k in {*compress(best, holds)}}
            reasons.append([told[k] if held else None for held, k in zip(holds, best, strict=True)])
        return reasons

    def _sums(
        self, read: Sequence[_Recent], items: Catalogue
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Places of users, ascending; rows with a pair, and the sum of each."""
        self._follow(items)
        pairs = self._pairs(read)
        met = max(len(self._numbers), 1)
        cells, places = np.unique(pairs.users * met + pairs.others, return_inverse=True)
        sums = np.bincount(places, pairs.weights, len(cells)).astype(np.float32)
        owners, numbers = np.divmod(cells, met)
        mass = np.array([self._mass[number] for number in numbers.tolist()], np.float32)
        sums /= np.sqrt(1 + mass)
        rows = self._rows[numbers]
        there = (rows >= 0) & (sums > 0)
        return owners[there], rows[there], sums[there]

    def _pairs(self, recents: Sequence[_Recent]) -> _Met:
        """All pairs of the users' recent items."""
        owns = [own for recent in recents for own in recent]
        sides = [
            pairs for own in owns for pairs in (self._before[own.number], self._after[own.number])
        ]
        origins = np.repeat(np.arange(len(sides)) // 2, [len(pairs.others) for pairs in sides])
        users = [user for user, recent in enumerate(recents) for _ in recent]
        places = [place for recent in recents for place in range(len(recent))]
        says = np.array([own.say for own in owns], np.float32)
        # An empty array in front: of nobody's items there is nothing to concatenate.
        others = np.concatenate([np.zeros(0, np.int32), *(pairs.others for pairs in sides)])
        weights = np.concatenate([np.zeros(0, np.float32), *(pairs.weights for pairs in sides)])
        return _Met(
            np.array(users, np.int64)[origins],
            np.array(places, np.int64)[origins],
            others,
            weights * says[origins],
        )

    def _recent(self, user: Interest) -> _Recent:
        """The newest items, each once; one complained of last has no say, a praised one more than
        one looked at."""
        values: dict[int, float] = {}
        complained = set()
        for event in reversed(user.events):
            if event.value < 0 and event.item not in values:
                complained.add(event.item)
            elif event.item not in complained and (event.item in values or len(values) < WINDOW):
                values[event.item] = max(event.value, values.get(event.item, 0.0))
        return [
            _Own(RECENT**step * (LOOK + (1 - LOOK) * min(value, 1.0)), number, item)
            for step, (item, value) in enumerate(values.items())
            if (number := self._numbers.get(item)) is not None
        ]

    def _number(self, item: int) -> int:
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = len(self._numbers)
            self._before.append(_Pairs())
            self._after.append(_Pairs())
            self._mass.append(0.0)
        return number

    def _follow(self, items: Catalogue) -> None:
        """Know the row of each number, -1 for an item that is not in the catalogue."""
        met = len(self._rows)
        if self._version == items.version and met == len(self._numbers):
            return
        known = list(self._numbers)
        if len(items.changed(self._version)) or self._count != len(items):
            met = 0
        fresh = [-1 if (row := items.row(h)) is None else row for h in known[met:]]
        self._rows = np.concatenate([self._rows[:met], np.array(fresh, np.int64)])
        self._version, self._count = items.version, len(items)

    def _reason(self, item: int, items: Catalogue) -> Reason:
        title = items.items[items.row(item) or 0].title
        return Reason(
            self.name,
            f"often taken together with “{title}”, which you took lately",
            f"常与你最近看过的“{title}”一起被选",
        )
