"""The demo's data, read from the files beside this module and played at any time.

Written for this project; persons, shops, numbers and addresses are invented, and numbers that
must pass a checksum are made to. Times in the files are offsets: seconds since the start of the
demo's week. `messages(until)` moves them so that the last event happens at `until`.

Planted, for the pipeline to find: a surge on `SURGE_ITEM` (25 complaints in five hours of the
sixth day, calm before and after), severe single reviews, personal data, markup, three reviews
delivered twice (each twice in a row), and ten messages that nobody can use.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, TypeVar

import msgspec

from stream_app.schemas import Behaviour, Item, Review, decode, encode

T = TypeVar("T")

SHOWN_USER = "u-007"
"""Buys camping gear all week, then writes a strongly negative review of a tent."""

SHOWN_REVIEW = "r-0387"
"""That review. Everything of the shown user comes before it."""

SURGE_ITEM = "p-101"

Kind = Literal["items", "reviews", "behaviours"]


class Malformed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that ends in the dead letters, and why. `raw` is base64; its time is not moved."""

    topic: Kind
    key: str
    raw: str
    time: float
    why: str


Event = Item | Review | Behaviour | Malformed


class Corpus(msgspec.Struct, frozen=True):
    """All of the demo's data, each list in the order of its times."""

    items: list[Item]
    reviews: list[Review]
    behaviours: list[Behaviour]
    malformed: list[Malformed]


class Envelope(TypedDict):
    """One message as a line of JSON: `value` is an object, or `raw` the bytes in base64."""

    topic: Kind
    key: str
    value: NotRequired[dict[str, Any]]
    raw: NotRequired[str]


def load() -> Corpus:
    """Read the four files; raises Invalid if one was damaged."""
    return Corpus(
        _read("items.jsonl", Item),
        _read("reviews.jsonl", Review),
        _read("behaviours.jsonl", Behaviour),
        _read("malformed.jsonl", Malformed),
    )


def messages(until: float) -> Iterator[Envelope]:
    """Every message in the order of event time, items first; the last one happens at `until`.

    A review is keyed by its id, an item and a behaviour by the id that their topic asks for.
    """
    corpus = load()
    last = max(_time(corpus.reviews[-1]), _time(corpus.behaviours[-1]))
    events: list[Event] = [*corpus.reviews, *corpus.behaviours, *corpus.malformed]
    events.sort(key=_time)
    for event in [*corpus.items, *events]:
        yield _envelope(event, until - last)


def payload(message: Envelope) -> bytes:
    """The bytes of the message's value."""
    if "raw" in message:
        return base64.b64decode(message["raw"])
    return encode(message["value"])


def _read(name: str, kind: type[T]) -> list[T]:
    lines = (Path(__file__).parent / name).read_bytes().splitlines()
    return [decode(line, kind) for line in lines]


def _time(event: Event) -> float:
    return event.time or 0.0


def _envelope(event: Event, shift: float) -> Envelope:
    if isinstance(event, Malformed):
        return {"topic": event.topic, "key": event.key, "raw": event.raw}
    value = msgspec.to_builtins(event) | {"time": _time(event) + shift}
    match event:
        case Item():
            return {"topic": "items", "key": event.item_id, "value": value}
        case Review():
            return {"topic": "reviews", "key": event.review_id, "value": value}
        case Behaviour():
            return {"topic": "behaviours", "key": event.user_id, "value": value}
