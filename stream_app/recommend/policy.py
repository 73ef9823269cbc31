"""What may be shown, after all scores.

Items that the user knows or disliked, and those that are blocked, unsafe or sold out, are kept out;
the rest makes a varied list within the caps. What a rule kept out is counted, and the best of it
named where it would have stood in the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import Interest
from stream_app.messages.identity import hash64
from stream_app.recommend.catalogue import Catalogue, resized
from stream_app.recommend.variety import vary
from stream_app.schemas import Item

WITHHELD = 3
"""Items named for each rule."""
OUT = (
    "", "seen", "disliked", "blocked", "unsafe", "unavailable", "per_category", "per_seller",
)  # fmt: skip
"""The rules by number; the first says that an item may be shown."""
SEEN, DISLIKED, BLOCKED, UNSAFE, UNAVAILABLE, *CAPS = range(1, len(OUT))


@dataclass(frozen=True, slots=True)
class Rules:
    """The profile's rules."""

    blocked: frozenset[str] = frozenset()
    """Ids of items, or categories or sellers."""
    unsafe: frozenset[str] = frozenset()
    """Tags of items for adults, recalled ones and the like, in any case."""
    per_category: int | None = None
    per_seller: int | None = None
    """Most items of one category or seller in a list."""
    diversity: float = 0.0
    """0…1: how much likeness to items already chosen costs (MMR, Carbonell and Goldstein 1998)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen places, best first, and what each rule kept out."""

    places: list[int]
    """Indices into the rows that were offered."""
    removed: Mapping[str, int]
    """How many items, by rule."""
    withheld: Mapping[str, list[str]] = field(default_factory=dict)
    """Ids of the best of them that would have stood in the list, by rule."""


class Policy:
    """The rules, applied to many users' scores at once. One thread calls it."""

    def __init__(self, rules: Rules, count: int) -> None:
        """`count`: items in a list."""
        self._rules = rules
        self._count = count
        self._unsafe = frozenset(tag.lower() for tag in rules.unsafe)
        self._most = (rules.per_category, rules.per_seller)
        self._version = 0
        self._out = np.zeros(0, np.int8)
        """Of each row: the rule of OUT that keeps it from everybody."""
        self._totals = np.zeros(len(OUT), np.int64)
        """Rows of each rule."""
        self._groups = np.zeros((0, len(CAPS)), np.uint64)
        """Of each row: what its caps count together, 0 where there is none."""
        self._longest: int | None = None

    def choose(
        self,
        users: Sequence[Interest],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        items: Catalogue,
    ) -> list[Choice]:
        """The users' lists, by scores [users, columns].

        `rows` [users, columns]: the rows of the scored items, ascending, −1 at the end of a shorter
        one. Of equal scores the first comes first.

        For example, one user is offered A, B and C with scores 0.9, 0.4 and 0.5, for a list of one.
        The user bought A, and B is sold out: C, at place 2, is the list. Removed are one item as
        seen and one as unavailable. Withheld is A alone: B is worse than C and would not have stood
        in the list.
        """
        self._update(items)
        # One entry for each item that is kept from a single user, all [entries].
        owners, known, rules = self._personal(users, items)
        # What a user knows is out for that, whatever else keeps it out. counts [users, OUT]
        counts = self._totals - _count(owners, self._out[known], len(users))
        counts += _count(owners, rules, len(users))
        there = rows >= 0  # [users, columns]
        out = self._out[rows] * there  # [users, columns]: the rule that keeps it out, or 0
        # User and row make one key: as both ascend, an entry's cell is found by bisection.
        width = len(items) + 1
        offers = np.where(there, rows, width - 1) + np.arange(len(users))[:, None] * width
        offers = offers.ravel()  # [users * columns]
        keys = owners * width + known  # [entries]
        places = np.searchsorted(offers, keys)  # [entries]: cells of users * columns
        offered = np.append(offers, -1)[places] == keys  # [entries]
        out.flat[places[offered]] = rules[offered]
        lists = vary(
            scores,
            there & (out == 0),
            rows,
            items,
            count=self._count,
            diversity=self._rules.diversity,
            groups=self._groups[rows],
            caps=self._most,
        )
        late = np.nonzero(lists.capped)  # users and columns, each [capped]
        capped = lists.capped[late] + np.int8(CAPS[0] - 1)
        counts += _count(late[0], capped, len(users))
        out[late] = capped
        # What is worse than the last of a full list would not have stood in it. least [users]
        least = np.full(len(users), -np.inf, np.float32)
        if self._count:
            last = lists.places[:, -1]
            filled = np.flatnonzero(last >= 0)
            least[filled] = scores[filled, last[filled]]
        withheld = self._withheld(np.where(scores >= least[:, None], out, 0), rows, scores, items)
        return [
            Choice(
                [place for place in chosen if place >= 0],
                {OUT[number]: count[number] for number in range(1, len(OUT)) if count[number]},
                names,
            )
            for chosen, count, names in zip(
                lists.places.tolist(), counts.tolist(), withheld, strict=True
            )
        ]

    def _withheld(
        self,
        missed: NDArray[np.int8],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        items: Catalogue,
    ) -> list[dict[str, list[str]]]:
        """By user and rule the best that it kept out; `missed` [users, columns]: the rule's
        number."""
        named: list[dict[str, list[str]]] = [{} for _ in missed]
        for number in np.flatnonzero(np.bincount(missed.ravel())[1:]) + 1:
            kept_out = missed == number  # [users, columns]
            users = np.flatnonzero(kept_out.any(1))
            left = np.where(kept_out[users], scores[users], -np.inf)
            for _ in range(WITHHELD):
                best = left.argmax(1)
                there = left[np.arange(len(left)), best] > -np.inf
                users, left, best = users[there], left[there], best[there]
                for user, row in zip(users.tolist(), rows[users, best].tolist(), strict=True):
                    named[user].setdefault(OUT[number], []).append(items.items[row].item_id)
                left[np.arange(len(left)), best] = -np.inf
        return named

    def open(self, items: Catalogue) -> NDArray[np.int64]:
        """Rows that are kept from nobody."""
        self._update(items)
        return np.flatnonzero(self._out == 0)

    def longest(self, items: Catalogue) -> int:
        """Items that a list of this catalogue has at most; the caps may leave still fewer."""
        self._update(items)
        if self._longest is None:
            rows = self.open(items)
            self._longest = min(self._count, len(rows))
            for column, most in zip(self._groups[rows].T, self._most, strict=True):
                if most is not None:
                    groups, sizes = np.unique(column, return_counts=True)
                    # Those of no group have no cap.
                    room = np.where(groups == 0, sizes, np.minimum(sizes, most))
                    self._longest = min(self._longest, int(room.sum()))
        return self._longest

    def _personal(
        self, users: Sequence[Interest], items: Catalogue
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
        """What is kept from single users: the place of the user, the row and the rule of each."""
        owners, rows, rules = [], [], []
        for place, user in enumerate(users):
            disliked = _disliked(user)
            for item in user.seen:
                row = items.row(item)
                if row is not None:
                    owners.append(place)
                    rows.append(row)
                    rules.append(DISLIKED if item in disliked else SEEN)
        return np.array(owners, np.int64), np.array(rows, np.int64), np.array(rules, np.int8)

    def _update(self, items: Catalogue) -> None:
        """Bring up to the catalogue what is kept from everybody; only for what was put since."""
        if self._version == items.version:
            return
        self._out = resized(self._out, len(items))
        self._groups = resized(self._groups, len(items))
        for row in items.put_since(self._version).tolist():
            item = items.items[row]
            self._out[row] = self._rule(item)
            names = (item.category, item.seller)
            self._groups[row] = [
                hash64(name) if name and most is not None else 0
                for name, most in zip(names, self._most, strict=True)
            ]
        self._version = items.version
        self._totals = np.bincount(self._out, minlength=len(OUT))
        self._totals[0] = 0
        self._longest = None

    def _rule(self, item: Item) -> int:
        """The rule that keeps an item from everybody; 0: none."""
        if not self._rules.blocked.isdisjoint((item.item_id, item.category, item.seller)):
            return BLOCKED
        if any(tag.lower() in self._unsafe for tag in item.tags):
            return UNSAFE
        return 0 if item.available else UNAVAILABLE


def _disliked(user: Interest) -> set[int]:
    """Items whose newest event was against them."""
    newest = {event.item: event.value for event in user.events}
    return {item for item, value in newest.items() if value < 0}


def _count(owners: NDArray[np.int64], rules: NDArray[np.int8], users: int) -> NDArray[np.int64]:
    """How many of each rule [users, OUT]."""
    cells = owners * len(OUT) + rules
    return np.bincount(cells, minlength=users * len(OUT)).reshape(users, len(OUT))
