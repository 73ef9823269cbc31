"""Items like those that the user liked, unlike those that they did not."""

from collections.abc import Mapping, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from stream_app.interests.record import KINDS, Event, Interest
from stream_app.messages.identity import hash16
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.evidence import evidence
from stream_app.recommend.index import Index
from stream_app.recommend.likes import Likes, calm, likes
from stream_app.recommend.source import ALL, Rows, Source
from stream_app.schemas import Reason

_WORDS = {
    "view": ("that you looked at", "你看过的"),
    "click": ("that you opened", "你点开过的"),
    "cart": ("that you put in the cart", "你加入购物车的"),
    "purchase": ("that you bought", "你买过的"),
    "share": ("that you shared", "你分享过的"),
    "review": ("that you praised", "你称赞过的"),
}
_OTHER = ("that you responded to", "你有过互动的")
"""Of an event that counts for its item though its kind should not: a record may have been written
under other weights than those of now."""

LATEST = 5
"""How many of the items liked last, and of those disliked last, an item is compared with."""


class Content(Source):
    """The mean of two likenesses, to the whole interest and to single items.

    The first is p / (HALF + |p|), where p is the product of the user's interest and the item's
    embedding. The second is the cosine of the nearest of the items liked last; where one of those
    disliked last is nearer still, it is lowered by the difference.

    A product, not a cosine: one more word of praise then raises what is like it, however much the
    user has praised before.
    """

    name = "content"

    def __init__(self, half_life: float, topics: Mapping[str, tuple[str, str]]) -> None:
        """`half_life` in seconds; `topics`: English and Chinese name by id."""
        self._half_life = half_life
        self._index = Index()
        self._topics = {hash16(topic): names for topic, names in topics.items()}

    def features(self, users: Sequence[Interest], items: Catalogue) -> list[Likes]:
        return [likes(user, items, self._half_life) for user in users]

    def score(
        self, features: Sequence[Likes], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        vectors = items.vectors[rows]
        scores: NDArray[np.float32] = np.stack([one.interest for one in features]) @ vectors.T
        scores = calm(scores)
        for row, one in zip(scores, features, strict=True):
            liked = _nearest(one.liked[:LATEST], vectors, items)
            disliked = _nearest(one.disliked[:LATEST], vectors, items)
            row += liked - np.maximum(disliked - liked, 0)
        return np.clip(scores / 2, -1, 1)

    def candidates(
        self, features: Sequence[Likes], items: Catalogue, count: int
    ) -> list[NDArray[np.int64]]:
        self._index.update(items)
        near = self._index.nearest(np.stack([one.interest for one in features]), count)
        rows = [row for one in features for row in one.liked[:LATEST]]
        alike = self._index.nearest(items.vectors[rows], count // LATEST)
        ends = np.cumsum([len(one.liked[:LATEST]) for one in features])
        by_user = np.split(alike, ends[:-1])
        return [np.concatenate([a, b.ravel()]) for a, b in zip(near, by_user, strict=True)]

    def interests(self, users: Sequence[Interest], items: Catalogue) -> NDArray[np.float32]:
        """Each user's interest in the space of the items [users, dimensions], of any length."""
        return np.stack([one.interest for one in self.features(users, items)])

    def reasons(
        self, features: Sequence[Likes], rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        best, liked, written = evidence(features, rows, items, LATEST)
        close = Reason(
            self.name, "close to what you praise in your reviews", "贴近你在评论中称赞的"
        )
        reasons: list[list[Reason | None]] = []
        for one, places, like, wrote in zip(
            features, best.tolist(), liked.tolist(), written.tolist(), strict=True
        ):
            by_event = {n: self._like(one.events[n], items) for n in {*compress(places, like)}}
            reasons.append([
                by_event[place] if likes_it else close if wrote_so else None
                for place, likes_it, wrote_so in zip(places, like, wrote, strict=True)
            ])  # fmt: skip
        return reasons

    def _like(self, event: Event, items: Catalogue) -> Reason:
        title = items.items[items.row(event.item) or 0].title
        english, chinese = _WORDS.get(KINDS[event.kind], _OTHER)
        if event.topic in self._topics:
            name, zh = self._topics[event.topic]
            return Reason(
                self.name,
                f"like “{title}” {english} for {name.lower()}",
                f"与{chinese}“{title}”（{zh}）相似",
            )
        return Reason(self.name, f"like “{title}” {english}", f"与{chinese}“{title}”相似")


def _nearest(
    rows: Sequence[int], vectors: NDArray[np.float32], items: Catalogue
) -> NDArray[np.float32]:
    """Cosine of each vector and the nearest of the rows; 0 without."""
    if not rows:
        return np.zeros(len(vectors), np.float32)
    nearest: NDArray[np.float32] = (items.vectors[rows] @ vectors.T).max(0, initial=0.0)
    return nearest
