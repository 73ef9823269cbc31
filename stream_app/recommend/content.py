"""Items like those that the user liked, unlike those that they did not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
        scores: NDArray[np.float32] = self.interests(users, items) @ vectors.T
        scores /= HALF + np.abs(scores)
        for own, user in zip(scores, users, strict=True):
            liked, disliked = (
                (items.vectors[side] @ vectors.T).max(0, initial=0.0)
                for side in self._latest(user, items)
            )
            own += liked - np.maximum(disliked - liked, 0)
        return np.clip(scores / 2, -1, 1)

    def candidates(
        self, users: Sequence[Interest], items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        self._index.follow(items)
        latest = [self._latest(user, items)[0] for user in users]
        near = self._index.nearest(self.interests(users, items), count)
        rows = [row for liked in latest for row in liked]
        alike = self._index.nearest(items.vectors[rows], count // LATEST)
        ends = np.cumsum([len(liked) for liked in latest])
        own = np.split(alike, ends[:-1])
        return [np.concatenate([a, b.ravel()]) for a, b in zip(near, own, strict=True)]

    def reasons(self, user: Interest, rows: Sequence[int], items: Catalogue) -> list[Reason | None]:
        targets = items.vectors[rows]
        liked = self._liked(user, items)
        weights = np.array([self._weight(user, event) for _, event in liked], np.float32)
        likeness = items.vectors[[row for row, _ in liked]] @ targets.T
        strength = np.where(likeness >= MIN_LIKENESS, likeness * weights[:, None], 0.0)
        best = strength.argmax(0).tolist() if liked else [-1] * len(rows)
        # What is said must hold: without its evidence the item scores less.
        named = sorted(set(best) - {-1})
        without = [_without(user, liked[place][1].item) for place in named]
        written = replace(user, vector=np.zeros_like(user.vector))
        now, bare, *scores = self.score([user, written, *without], items, np.array(rows))
        falls = {place: now - score for place, score in zip(named, scores, strict=True)}
        own = targets @ user.vector > MIN_LIKENESS * float(np.linalg.norm(user.vector))
        reasons: list[Reason | None] = []
        for column, place in enumerate(best):
            if place >= 0 and strength[place, column] > 0 and falls[place][column] > 0:
                reasons.append(self._like(liked[place][1], items))
            elif own[column] and bare[column] < now[column]:
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

    def _liked(self, user: Interest, items: Catalogue) -> list[tuple[int, Event]]:
        """The user's events for items of the catalogue, with their rows. What was bought and then
        complained of is no reason for more of its kind."""
        complained = {event.item: event.time for event in user.events if event.value < 0}
        return [
            (row, event)
            for event in user.events
            if event.value > 0
            and event.time > complained.get(event.item, -1.0)
            and (row := items.row(event.item)) is not None
        ]

    def _latest(self, user: Interest, items: Catalogue) -> tuple[list[int], list[int]]:
        """Rows of the items liked and disliked last, by the newest event for each."""
        rows: tuple[list[int], list[int]] = ([], [])
        met = set()
        for event in reversed(user.events):
            row = items.row(event.item)
            side = rows[event.value < 0]
            if event.value and row is not None and row not in met and len(side) < LATEST:
                side.append(row)
                met.add(row)
        return rows

    def interests(self, users: Sequence[Interest], items: Catalogue) -> NDArray[np.float32]:
        """Each user's interest in the space of the items [users, dimensions], of any length."""
        return np.stack([self._interest(user, items) for user in users])

    def _interest(self, user: Interest, items: Catalogue) -> NDArray[np.float32]:
        known = [(row, e) for e in user.events if (row := items.row(e.item)) is not None]
        weights = np.array([self._weight(user, event) for _, event in known], np.float32)
        return user.vector + weights @ items.vectors[[row for row, _ in known]]

    def _weight(self, user: Interest, event: Event) -> float:
        return float(event.value * 0.5 ** ((user.clock - event.time) / self._half_life))

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


def _without(user: Interest, item: int) -> Interest:
    """The record as if nothing had been done with an item."""
    return replace(user, events=[event for event in user.events if event.item != item])
