"""A seeded load: reviews and behaviours of a shop, with a surge, duplicates and broken messages."""

import json
import random
from collections.abc import Iterator

from stream_app.demo import corpus
from stream_app.messages.message import Record
from stream_app.schemas import Item

HOURS = 48
PERSONAL = {
    "phone": "13800138000",
    "spaced phone": "139 1234 5678",
    "international phone": "+44 20 7946 0958",
    "e-mail": "jane.doe77@example.com",
    "card": "4111 1111 1111 1111",
    "identity": "11010519491231002X",
}
"""As people write them into reviews; test_leaks.py looks for them in all that was written."""


def items() -> Iterator[Record]:
    """The demo's catalogue."""
    for item in corpus.load().items:
        yield _record("items", item.item_id, _plain(item))


def events(count: int, until: float, seed: int = 1) -> list[Record]:
    """`count` reviews and `count` behaviours of 400 users, event times over two days before
    `until`, out of order by up to half an hour; item p-101 gets complaints alone in the end."""
    draw = random.Random(seed)
    data = corpus.load()
    ids = [item.item_id for item in data.items]
    reviews = [review for review in data.reviews if review.stars is not None]
    complaints = [r.text for r in reviews if (r.stars or 3) <= 2]
    texts = [r.text for r in data.reviews]
    start = until - HOURS * 3600
    made: list[Record] = []
    for number in range(count):
        time = start + number / count * HOURS * 3600 + draw.uniform(0, 1800) - 1800
        item = draw.choice(ids)
        text = f"{draw.choice(texts)} {draw.choice(texts)[:80]}"
        if number > count * 0.9 and draw.random() < 0.2:
            item, text = "p-101", f"{draw.choice(complaints)} ({number})"
        if number % 50 == 9:
            text = f"{text} {list(PERSONAL.values())[number // 50 % len(PERSONAL)]}"
        user = f"user-{draw.randrange(400)}"
        review = {"review_id": f"review-{number}", "user_id": user, "item_id": item,
                  "text": text, "time": time}  # fmt: skip
        if draw.random() < 0.5:
            review["stars"] = draw.randint(1, 5)
        made.append(_record("reviews", f"review-{number}", review))
        if number % 250 == 7:
            made.append(made[-1])
        if number % 250 == 11:
            made.append(Record("reviews", b"broken", b'{"review_id": "13800138000", "user_id": 7}'))
        user = f"user-{draw.randrange(400)}"
        kind = draw.choice(["view", "view", "click", "cart", "purchase", "share", "hide"])
        behaviour = {"event_id": f"event-{number}", "user_id": user, "item_id": draw.choice(ids),
                     "kind": kind, "time": time}  # fmt: skip
        made.append(_record("behaviours", user, behaviour))
        if number % 500 == 13:
            made.append(_record("behaviours", "somebody-else", behaviour))
    return made


def _record(topic: str, key: str, value: dict[str, object]) -> Record:
    return Record(topic, key.encode(), json.dumps(value, ensure_ascii=False).encode())


def _plain(item: Item) -> dict[str, object]:
    return {
        "item_id": item.item_id, "title": item.title, "description": item.description,
        "category": item.category, "seller": item.seller, "tags": item.tags,
    }  # fmt: skip
