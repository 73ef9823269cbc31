"""A shop's visitors: reviews and behaviours at a steady rate, with bursts of complaints.

And a shelf of items that come, change and go.
"""

import json
import random
from collections.abc import Iterator

from stream_app.demo import corpus
from stream_app.messages.message import Record

USERS = 150
COMPLAINED = "p-101"
"""The item of which everybody complains at times."""
Event = tuple[str, bytes, dict[str, object] | None]
"""Topic, key and value without its time; None: a removal."""
SHELF = 12
"""Items that are put and removed again and again."""


class Visitors:
    """Draws messages, each different from all before: a seed gives the same again."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        data = corpus.load()
        self._items = [item.item_id for item in data.items]
        self._texts = [review.text for review in data.reviews]
        self._complaints = [r.text for r in data.reviews if r.stars is not None and r.stars <= 2]
        self._number = 0

    def come(self, count: int, angry: bool) -> Iterator[Event]:
        """Of `count` reviews, as many behaviours, and half as many changes of the shelf."""
        draw = self._draw
        for _ in range(count):
            self._number += 1
            number, user = self._number, f"user-{draw.randrange(USERS)}"
            item = draw.choice(self._items)
            text = f"{draw.choice(self._texts)} {draw.choice(self._texts)[:80]}"
            if angry and draw.random() < 0.5:
                item, text = COMPLAINED, f"{draw.choice(self._complaints)} ({number})"
            review: dict[str, object] = {
                "review_id": f"review-{number}", "user_id": user, "item_id": item, "text": text,
            }  # fmt: skip
            if draw.random() < 0.5:
                review["stars"] = draw.randint(1, 5)
            if number % 40 == 7:
                review["user_id"] = 7  # refused
            yield "reviews", f"review-{number}".encode(), review
            user = f"user-{draw.randrange(USERS)}"
            kind = draw.choice(["view", "view", "click", "cart", "purchase", "share", "hide"])
            key = f"not-{user}" if number % 60 == 13 else user  # the wrong key: refused
            behaviour: dict[str, object] = {
                "event_id": f"event-{number}", "user_id": user, "item_id": draw.choice(self._items),
                "kind": kind,
            }  # fmt: skip
            yield "behaviours", key.encode(), behaviour
            if draw.random() < 0.5:
                item = f"shelf-{draw.randrange(SHELF)}"
                put: dict[str, object] = {"item_id": item, "title": f"Lamp of {number}"}
                yield "items", item.encode(), put if draw.random() < 0.6 else None

    def moment(self) -> float:
        """Seconds by which an event is older than its message."""
        return self._draw.uniform(0, 4)


def message(topic: str, key: bytes, value: dict[str, object] | None, time: float) -> Record:
    """The message of an event at a time."""
    if value is None:
        return Record(topic, key, None)
    return Record(topic, key, json.dumps(value | {"time": time}, ensure_ascii=False).encode())
