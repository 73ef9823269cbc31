"""Keeps what this commit's version writes: state and messages, for later versions to read.

Run it by hand at the commit whose records shall stay readable, before their version changes; an
older commit runs it from a checkout of its own:

    git worktree add /tmp/then COMMIT
    cd /tmp/then && PYTHONPATH=. python REPOSITORY/tests/upgrades/make_fixture.py COMMIT \
        REPOSITORY/tests/upgrades/kept/COMMIT.jsonl.xz

Lines of JSON: the version; all inputs; all messages that they led to, in two runs, the second
over the `later` inputs; both tables as they stood between the two, their values in base64. Bytes
that are not UTF-8 stand as surrogates (`surrogateescape`).
"""

import base64
import json
import lzma
import sys
from collections.abc import Iterator
from typing import Any

from stream_app import schemas
from stream_app.interests import record
from stream_app.messages.message import Record
from stream_app.pipeline import build
from stream_app.replay import Replay
from stream_app.schemas import Promotion
from stream_app.settings import load
from stream_app.subjects import record as subject

HOUR = 3600
START = 1_700_000_000 // HOUR * HOUR
HOURS, LATER = 36, 30
"""Hours of event time, and the one from which on events are later ones."""
PARTITIONS = 4
ITEMS = [
    ("p1", "Power bank", "phone"),
    ("p2", "Two-person tent", "camping"),
    ("p3", "咖啡机", "厨房"),
    ("p4", "Headphones", "audio"),
    ("p5", "登山鞋", "户外"),
    ("p6", "Phone case", "phone"),
    ("p7", "Sleeping bag", "camping"),
    ("p8", "电热水壶", "厨房"),
]
PRAISE = [
    "Great battery life, very happy with it.",
    "质量很好，物流也快，下次还来。",
    "Excellent quality, works perfectly.",
    "很喜欢，做工精致，性价比高。",
]
COMPLAINTS = [
    "The battery died after two days, terrible.",
    "质量太差了，用了一天就坏了。",
    "Arrived broken, and the support never answered.",
    "包装破损，客服态度恶劣。",
]
ELSEWHERE = [
    "My cat sleeps in it all day.",
    "我家猫天天睡在上面。",
    "The moon was bright over the harbour.",
    "邻居的猫也来趴着不走。",
]
BROKEN = [
    ("reviews", b"r-broken", b'{"review_id": "r-broken", "user_id": 7}'),
    ("reviews", b"r-bytes", b"\xff\xfe not JSON"),
    ("behaviours", b"somebody", b'{"user_id": "u1", "item_id": "p1", "kind": "view", "time": 1}'),
    ("items", b"p9", b'{"item_id": "another", "title": "Kettle"}'),
]


def inputs() -> Iterator[tuple[float, Record]]:
    """Every input with its event time, no two of the same."""
    for item_id, title, category in ITEMS:
        yield START, entry("items", item_id, item_id=item_id, title=title, category=category)
    for topic, key, value in BROKEN:
        yield START, Record(topic, key, value)
    number = 0
    for hour in range(HOURS):
        # A surge at p1 begins and ends; one at p2 is open in the state, and ends later.
        for item, begins in (("p1", 14), ("p2", 26)):
            complained = begins <= hour < begins + 3
            busy = begins <= hour < begins + 8
            for nth in range(5 if busy else 1):
                text = (COMPLAINTS if complained else PRAISE)[(hour + nth) % 4]
                number += 1
                yield review(number, hour, text, item_id=item, stars=1 if complained else 5)
        number += 1
        if hour % 3 == 0:
            yield review(number, hour, ELSEWHERE[hour // 3 % 4], embedding=hour == 27)
        user = f"u{number % 6}"
        kind = ("view", "click", "cart", "purchase", "share", "hide")[hour % 6]
        time = START + hour * HOUR + 3000
        yield (
            time,
            entry(
                "behaviours", user, event_id=f"e{number}", user_id=user,
                item_id=ITEMS[hour % len(ITEMS)][0], kind=kind, time=time,
            ),
        )  # fmt: skip
    number += 1
    yield review(number, 26, "The charger caught fire and burned my hand!", item_id="p6")
    yield START + 27 * HOUR, Record("items", b"p8", None)


def review(number: int, hour: int, text: str, **more: object) -> tuple[float, Record]:
    time = START + hour * HOUR + number % 1000 * 7 % 2900 + number / 1000
    user = f"u{number % 6}"
    value = {"review_id": f"r{number}", "user_id": user, "text": text, "time": time, **more}
    return time, entry("reviews", f"r{number}", **value)


def entry(topic: str, key: str, **value: object) -> Record:
    return Record(topic, key.encode(), json.dumps(value, ensure_ascii=False).encode())


def lines(commit: str) -> Iterator[dict[str, Any]]:
    yield {
        "kept": "version", "commit": commit,
        "interests": record.VERSION, "subjects": subject.VERSION,
    }  # fmt: skip
    made = sorted(inputs(), key=lambda one: one[0])
    bound = START + LATER * HOUR
    parts = {
        later: [one for time, one in made if (time >= bound) == later] for later in (False, True)
    }
    replay = Replay(build(load(environ={})), PARTITIONS)
    promotion = Promotion("mine-00000000", "0" * 64, float(START), name="mine")
    yield message("output", False, Record("models", b"sentiment", schemas.encode(promotion)))
    for later, part in parts.items():
        for one in part:
            yield message("input", later, one)
        for output in replay.run(part):
            yield message("output", later, Record(*output))
        if later:
            return
        for table, values in replay.states.items():
            for (partition, key), value in sorted(values.items()):
                yield {
                    "kept": "state", "table": table, "partition": partition, "key": text(key),
                    "value": base64.b64encode(value).decode(),
                }  # fmt: skip


def message(kept: str, later: bool, one: Record) -> dict[str, Any]:
    headers = [[name, text(value)] for name, value in one.headers]
    return {
        "kept": kept, "later": later, "topic": one.topic, "key": text(one.key),
        "value": text(one.value), "headers": headers,
    }  # fmt: skip


def text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    _, name, out = sys.argv
    with lzma.open(out, "wt", encoding="ascii") as file:
        for line in lines(name):
            file.write(json.dumps(line) + "\n")
