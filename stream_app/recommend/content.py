"""Items like those that the user liked, unlike those that they did not."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import Reason
from stream_app.identity import hash16
from stream_app.interests.record import KINDS, Event, Interest
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.index import Index
from stream_app.recommend.source import ALL, Rows, Source

MIN_LIKENESS = 0.15
"""Cosine under which an event is no reason for an item."""

_WORDS = {
    "view": ("that you looked at", "你看过的"),
    "click": ("that you opened", "你点开过的"),
    "cart": ("that you put in the cart", "你加入购物车的"),
    "purchase": ("that you bought", "你买过的"),
    "share": ("that you shared", "你分享过的"),
    "review": ("that you praised", "你称赞过的"),
}

HALF = 5.0
"""Product of interest and item that scores a half: five full words of praise for its like."""
LATEST = 5
"""Liked, and likewise disliked, items of the newest events that an item is held against."""


class Content(Source):
    """Mean of two likenesses: p / (HALF + |p|) of the product p of the user's interest and the
    item's embedding, and the cosine of the nearest of the items liked last, less what one disliked
    last is nearer than it.

    A product, not a cosine: one more word of praise then raises what is like it, however much the
    user has praised before.

    The interest is the record's vector plus the vectors of the items of its events, each with its
    signed weight, decayed to the newest event. Item vectors are looked up now, not stored, so the
    record does not depend on when an item came into the catalogue.
    """

    name = "content"

    def __init__(self, half_life: float, topics: Mapping[str, tuple[str, str]]) -> None:
        """`half_life` in seconds; `topics`: English and Chinese name by id."""
        self._half_life = half_life
        self._index = Index()
        self._topics = {hash16(topic): names for topic, names in topics.items()}

    def score(
        self, users: Sequence[Interest], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        vectors = items.vectors[rows]
        read = [self._read(user, items) for user in users]
        scores: NDArray[np.float32] = np.stack([one.interest for one in read]) @ vectors.T
        scores = _calm(scores)
        for own, one in zip(scores, read, strict=True):
            liked = _nearest(one.liked[:LATEST], vectors, items)
            disliked = _nearest(one.disliked[:LATEST], vectors, items)
            own += liked - np.maximum(disliked - liked, 0)
        return np.clip(scores / 2, -1, 1)

    def candidates(
        self, users: Sequence[Interest], items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        self._index.follow(items)
        read = [self._read(user, items) for user in users]
        near = self._index.nearest(np.stack([one.interest for one in read]), count)
        rows = [row for one in read for row in one.liked[:LATEST]]
        alike = self._index.nearest(items.vectors[rows], count // LATEST)
        ends = np.cumsum([len(one.liked[:LATEST]) for one in read])
        own = np.split(alike, ends[:-1])
        return [np.concatenate([a, b.ravel()]) for a, b in zip(near, own, strict=True)]

    def interests(self, users: Sequence[Interest], items: Catalogue) -> NDArray[np.float32]:
        """Each user's interest in the space of the items [users, dimensions], of any length."""
        return np.stack([self._read(user, items).interest for user in users])

    def reasons(self, user: Interest, rows: Sequence[int], items: Catalogue) -> list[Reason | None]:
        read = self._read(user, items)
        targets = items.vectors[rows]
        likeness = items.vectors[read.rows] @ targets.T
        newest = {row: place for place, row in reversed([*enumerate(read.rows)])}

        def nearest(liked: list[int]) -> NDArray[np.float32]:
            near: NDArray[np.float32] = likeness[[newest[row] for row in liked]].max(0, initial=0.0)
            return near

        # What was bought and then complained of is no reason for more of its kind.
        liked = frozenset(read.liked)
        weights = read.weights.tolist()
        praise = [
            weight if event.value > 0 and row in liked else 0.0
            for event, row, weight in zip(read.events, read.rows, weights, strict=True)
        ]
        strength = np.where(likeness >= MIN_LIKENESS, likeness * np.array(praise)[:, None], 0.0)
        product = targets @ read.interest
        calm = _calm(product)
        now = calm + nearest(read.liked[:LATEST])
        own = targets @ user.vector
        written = own > MIN_LIKENESS * math.sqrt(user.vector @ user.vector)
        written &= _calm(product - own) < calm
        best = strength.argmax(0).tolist() if read.rows else [0] * len(rows)
        strong = strength.max(0, initial=0.0) > 0
        # What is said must hold: without its evidence the item scores less.
        holds: dict[int, list[bool]] = {}
        for place in {best[column] for column in np.flatnonzero(strong).tolist()}:
            row = read.rows[place]
            others = [other for other in read.liked if other != row][:LATEST]
            weight = sum(w for other, w in zip(read.rows, weights, strict=True) if other == row)
            left = product - weight * likeness[place]
            holds[place] = (strong & (_calm(left) + nearest(others) < now)).tolist()
        reasons: list[Reason | None] = []
        for column, (place, said) in enumerate(zip(best, written.tolist(), strict=True)):
            if place in holds and holds[place][column]:
                reasons.append(self._like(read.events[place], items))
            elif said:
                reasons.append(
                    Reason(
                        self.name,
                        "close to what you praise in your reviews",
                        "贴近你在评论中称赞的",
                    )
                )
            else:
                reasons.append(None)
        return reasons

    def _read(self, user: Interest, items: Catalogue) -> "_Reading":
        """What of a record the catalogue knows."""
        events: list[Event] = []
        rows: list[int] = []
        newest: dict[int, float] = {}
        for event in reversed(user.events):
            row = items.row(event.item)
            if row is not None:
                events.append(event)
                rows.append(row)
                if event.value:
                    newest.setdefault(row, event.value)
        values = np.array([event.value for event in events], np.float32)
        times = np.array([event.time for event in events])
        weights = values * np.exp2((times - user.clock) / self._half_life).astype(np.float32)
        return _Reading(
            events, rows, weights, user.vector + weights @ items.vectors[rows],
            [row for row, value in newest.items() if value > 0],
            [row for row, value in newest.items() if value < 0],
        )  # fmt: skip

    def _like(self, event: Event, items: Catalogue) -> Reason:
        title = items.items[items.row(event.item) or 0].title
        english, chinese = _WORDS[KINDS[event.kind]]
        if event.topic in self._topics:
            name, zh = self._topics[event.topic]
            return Reason(
                self.name,
                f"like “{title}” {english} for {name.lower()}",
                f"与{chinese}“{title}”（{zh}）相似",
            )
        return Reason(self.name, f"like “{title}” {english}", f"与{chinese}“{title}”相似")


class _Reading(NamedTuple):
    """Events of the catalogue's items, newest first, with rows and decayed weights; the interest;
    rows liked and disliked, by the newest event for each, newest first."""

    events: list[Event]
    rows: list[int]
    weights: NDArray[np.float32]
    interest: NDArray[np.float32]
    liked: list[int]
    disliked: list[int]


def _calm(product: NDArray[np.float32]) -> NDArray[np.float32]:
    return (product / (HALF + np.abs(product))).astype(np.float32)


def _nearest(
    rows: Sequence[int], vectors: NDArray[np.float32], items: Catalogue
) -> NDArray[np.float32]:
    """Cosine of each vector and the nearest of the rows; 0 without."""
    if not rows:
        return np.zeros(len(vectors), np.float32)
    nearest: NDArray[np.float32] = (items.vectors[rows] @ vectors.T).max(0, initial=0.0)
    return nearest
