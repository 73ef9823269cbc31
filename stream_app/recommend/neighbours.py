"""Items that people act on shortly before or after those that the user acted on last.

Item-to-item co-occurrence, counted as it happens, without training. Every event of a user raises
the weight between its item and the items of the user's events before it, less for each step between
them (`steps`). The weights are kept in the record of the later item, whose trend carries them to
every worker. They are statistics and not exact state: an event that comes late, or again after a
crash, is paired with what the user's record holds then.

A user's recent items are j(0), j(1), ... from the newest back; w(i, j) is the weight with which j
came before i. The score of item i is log(1 + s / LEAST) / log(1 + MOST / LEAST), where

    s = sum over k of RECENT^k v(k) (w(i, j(k)) + w(j(k), i)) / sqrt(1 + sum of all w(i, .))

v(k) grows with the value of the event, from NO_VALUE for 0 to 1 for 1. The square root keeps an
item that comes after everything from being first for everybody.
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
"""What is left of the weight of a pair of events with each step between them."""
RECENT = 0.8
"""What is left of the weight of a user's event with each step back."""
NO_VALUE = 0.6
"""Weight of an event of value 0, as a share of one of value 1."""
LEAST, MOST = 0.05, 50.0
"""Sums between which the score grows by their logarithm from 0 to 1."""
SUCCESSORS = 256
"""Most items kept that came after one: the heaviest."""
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
    """Other items of one item, by number, with the weight of each pair; at most SUCCESSORS."""

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
        elif self._size < SUCCESSORS:
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


class _RecentItem(NamedTuple):
    """An item that a user acted on lately."""

    weight: float
    """RECENT^k v(k) of the formula."""
    number: int
    item: int
    """Hash of its id."""


_Recent = list[_RecentItem]
"""A user's, the newest first, at most WINDOW."""


class _UserPairs(NamedTuple):
    """All pairs of the users' recent items and other items, each [pairs]."""

    users: NDArray[np.int64]
    """Places of the users, ascending."""
    places: NDArray[np.int64]
    """Of the recent item among the user's."""
    others: NDArray[np.int32]
    """Numbers of the other items."""
    weights: NDArray[np.float32]
    """The pair's weight times that of the recent item."""


class Neighbours(Source):
    """Weights of pairs, looked up from either item of the pair."""

    name = "neighbours"

    def __init__(self) -> None:
        # Items are numbered as they first occur: rows of the catalogue move.
        self._numbers: dict[int, int] = {}
        self._before: list[_Pairs] = []
        """By item: the items that came before it, with w(item, other)."""
        self._after: list[_Pairs] = []
        """By item: the items that came after it, with w(other, item)."""
        self._mass: list[float] = []
        """By item: the sum of all w(item, .)."""
        self._rows = np.zeros(0, np.int64)
        """By item: its row in the catalogue, -1 where it is not there."""
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

    def features(self, users: Sequence[Interest], items: Catalogue) -> list[_Recent]:
        return [self._recent(user) for user in users]

    def score(
        self, features: Sequence[_Recent], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        scores = np.zeros((len(features), len(items)), np.float32)
        owners, found, sums = self._sums(features, items)
        scores[owners, found] = np.log1p(sums / LEAST) / np.log1p(MOST / LEAST)
        return np.minimum(scores[:, rows], np.float32(1))

    def candidates(
        self, features: Sequence[_Recent], items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        owners, found, sums = self._sums(features, items)
        ends = np.searchsorted(owners, np.arange(1, len(features)))
        return [
            rows[top(sums_of_user, count)]
            for rows, sums_of_user in zip(np.split(found, ends), np.split(sums, ends), strict=True)
        ]

    def reasons(
        self, features: Sequence[_Recent], rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        """For each listed item the recent item that adds most to it, where all add MIN_WEIGHT.

        For example, a user acted on A last (weight 1) and on B before (weight 0.8); C came before
        A with weight 2 and after B with weight 1. C and an unrelated D are listed. A adds
        2 * 1 = 2 to C, and B adds 1 * 0.8 = 0.8: together 2.8, which is enough, and A is named.
        D has no pair with either and gets no reason.
        """
        self._update_rows(items)
        recents = [
            [one for one in recent if items.row(one.item) is not None] for recent in features
        ]
        pairs = self._pairs(recents)
        # The numbers of the listed items [users, list]; -1 where there is none.
        listed, places = np.unique(rows, return_inverse=True)
        known = [self._numbers.get(item, -1) for item in items.hashes[listed].tolist()]
        numbers = np.where(rows < 0, -1, np.array(known)[places].reshape(rows.shape))
        # A pair counts where its other item is in its user's list: user and number make one key.
        width = len(self._numbers) + 1
        wanted = (np.arange(len(features))[:, None] * width + numbers).ravel()  # [users * list]
        keys = pairs.users * width + pairs.others  # [pairs]
        order = np.argsort(wanted)  # [users * list]
        nearest = np.searchsorted(wanted, keys, sorter=order)  # [pairs]
        found = order[np.minimum(nearest, wanted.size - 1)]  # [pairs]: cells of users * list
        hit = wanted[found] == keys  # [pairs]
        # What each of the recent items adds to each listed item [users, list, WINDOW].
        cells = found[hit] * WINDOW + pairs.places[hit]
        added = np.bincount(cells, pairs.weights[hit], wanted.size * WINDOW)
        added = added.reshape(*rows.shape, WINDOW)
        enough, strongest = added.sum(2) >= MIN_WEIGHT, added.argmax(2)  # both [users, list]
        reasons = []
        for recent, holds, best in zip(recents, enough.tolist(), strongest.tolist(), strict=True):
            by_place = {k: self._reason(recent[k].item, items) for k in {*compress(best, holds)}}
            reasons.append([
                by_place[k] if held else None for held, k in zip(holds, best, strict=True)
            ])  # fmt: skip
        return reasons

    def _sums(
        self, features: Sequence[_Recent], items: Catalogue
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """For each user and row with a pair: the place of the user (ascending), the row, and s."""
        self._update_rows(items)
        pairs = self._pairs(features)
        width = max(len(self._numbers), 1)
        cells, places = np.unique(pairs.users * width + pairs.others, return_inverse=True)
        sums = np.bincount(places, pairs.weights, len(cells)).astype(np.float32)
        owners, numbers = np.divmod(cells, width)
        mass = np.array([self._mass[number] for number in numbers.tolist()], np.float32)
        sums /= np.sqrt(1 + mass)
        rows = self._rows[numbers]
        there = (rows >= 0) & (sums > 0)
        return owners[there], rows[there], sums[there]

    def _pairs(self, recents: Sequence[_Recent]) -> _UserPairs:
        """All pairs of the users' recent items."""
        every = [one for recent in recents for one in recent]
        sides = [
            pairs for one in every for pairs in (self._before[one.number], self._after[one.number])
        ]
        # [pairs]: the recent item, in `every`, that each pair is of.
        origins = np.repeat(np.arange(len(sides)) // 2, [len(pairs.others) for pairs in sides])
        users = [user for user, recent in enumerate(recents) for _ in recent]
        places = [place for recent in recents for place in range(len(recent))]
        recency = np.array([one.weight for one in every], np.float32)
        # An empty array in front: of nobody's items there is nothing to concatenate.
        others = np.concatenate([np.zeros(0, np.int32), *(pairs.others for pairs in sides)])
        weights = np.concatenate([np.zeros(0, np.float32), *(pairs.weights for pairs in sides)])
        return _UserPairs(
            np.array(users, np.int64)[origins],
            np.array(places, np.int64)[origins],
            others,
            weights * recency[origins],
        )

    def _recent(self, user: Interest) -> _Recent:
        """The newest items, each once; none whose newest event is against it. One that was praised
        weighs more than one that was only viewed."""
        values: dict[int, float] = {}
        complained = set()
        for event in reversed(user.events):
            if event.value < 0 and event.item not in values:
                complained.add(event.item)
            elif event.item not in complained and (event.item in values or len(values) < WINDOW):
                values[event.item] = max(event.value, values.get(event.item, 0.0))
        return [
            _RecentItem(RECENT**step * (NO_VALUE + (1 - NO_VALUE) * min(value, 1.0)), number, item)
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

    def _update_rows(self, items: Catalogue) -> None:
        """Bring `_rows` up to the catalogue and to the items numbered since."""
        done = len(self._rows)
        if self._version == items.version and done == len(self._numbers):
            return
        known = list(self._numbers)
        if len(items.changed(self._version)) or self._count != len(items):
            done = 0
        fresh = [-1 if (row := items.row(h)) is None else row for h in known[done:]]
        self._rows = np.concatenate([self._rows[:done], np.array(fresh, np.int64)])
        self._version, self._count = items.version, len(items)

    def _reason(self, item: int, items: Catalogue) -> Reason:
        title = items.items[items.row(item) or 0].title
        return Reason(
            self.name,
            f"often taken together with “{title}”, which you took lately",
            f"常与你最近看过的“{title}”一起被选",
        )
