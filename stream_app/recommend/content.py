"""Items like those that the user liked, unlike those that they did not."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import Reason
from stream_app.identity import hash16
from stream_app.interests.record import KINDS, Event, Interest
from stream_app.recommend.catalogue import Catalogue

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


class Content:
    """Cosine of the user's interest and the item's embedding.

    The interest is the record's vector plus the vectors of the items of its events, each with its
    signed weight, decayed to the newest event. Item vectors are looked up now, not stored, so the
    record does not depend on when an item came into the catalogue.
    """

    name = "content"

    def __init__(self, half_life: float, topics: Mapping[str, tuple[str, str]]) -> None:
        """`half_life` in seconds; `topics`: English and Chinese name by id."""
        self._half_life = half_life
        self._topics = {hash16(topic): names for topic, names in topics.items()}

    def score(self, users: Sequence[Interest], items: Catalogue) -> NDArray[np.float32]:
        queries = np.stack([self._interest(user, items) for user in users])
        norms = np.linalg.norm(queries, axis=1, keepdims=True)
        queries /= np.where(norms > 0, norms, 1)
        scores: NDArray[np.float32] = queries @ items.vectors.T
        return scores

    def reasons(self, user: Interest, rows: Sequence[int], items: Catalogue) -> list[Reason | None]:
        targets = items.vectors[rows]
        own = targets @ user.vector
        limit = MIN_LIKENESS * float(np.linalg.norm(user.vector))
        liked = self._liked(user, items)
        weights = np.array([self._weight(user, event) for _, event in liked], np.float32)
        likeness = items.vectors[[row for row, _ in liked]] @ targets.T
        strength = np.where(likeness >= MIN_LIKENESS, likeness * weights[:, None], 0.0)
        reasons: list[Reason | None] = []
        for column in range(len(rows)):
            best = int(strength[:, column].argmax()) if liked else 0
            if liked and strength[best, column] > 0:
                reasons.append(self._like(liked[best][1], items))
            elif own[column] > limit > 0:
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
