"""Dead letters: the original bytes, and why, in Kafka Connect's headers."""

from collections.abc import Iterable

from stream_app.messages.message import Headers, Message, Record, size, weight
from stream_app.messages.topics import LARGE

PREFIX = "__connect.errors."
MAX_REASON = 500
MOST = LARGE - 16 * 1024
"""Inputs of more bytes are cut: reason and framing must fit into the message as well."""


def dead_letter(message: Message, error: Exception, stage: str) -> Record:
    """The dead letter of `message`. The reason must not repeat personal data: errors of ours
    name fields and positions, never contents. An input larger than `MOST` is cut to fit; the
    topic it came from has all of it."""
    reason = str(error)[:MAX_REASON] or type(error).__name__
    kept: Headers = tuple(h for h in message.headers if not h[0].startswith(PREFIX))
    key, value = message.key, message.value
    about = {
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "stage": stage,
        "exception.class.name": type(error).__name__,
        "exception.message": reason,
    }
    if (total := size(message)) > MOST:
        about["cut"] = f"{total} bytes, cut to fit"
        key, value = key and key[: MOST // 4], value and value[: MOST // 2]
        kept = _fitting(kept, MOST // 4)
    if key is None and value is None:
        # No producer of aiokafka sends a message without both.
        about["null"], value = "key and value", b""
    headers = tuple((PREFIX + name, text.encode()) for name, text in about.items())
    return Record("dead-letters", key, value, kept + headers)


def _fitting(headers: Headers, room: int) -> Headers:
    """The first headers that fit."""
    found = []
    for name, value in headers:
        room -= weight(name, value)
        if room < 0:
            break
        found.append((name, value))
    return tuple(found)


def error_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """A dead letter's headers about its error, by their names without `PREFIX`."""
    return {
        name.removeprefix(PREFIX): (value or b"").decode("utf-8", "replace")
        for name, value in headers
        if name.startswith(PREFIX)
    }


def origin(headers: Iterable[tuple[str, bytes | None]]) -> tuple[str, int, int]:
    """Topic, partition and offset of the message that became a dead letter."""
    said = error_headers(headers)
    return said["topic"], int(said["partition"]), int(said["offset"])


def error_labels(letter: Record) -> tuple[str, str, str]:
    """Of a dead letter: the topic it came from, the stage it ended in, the class of its error."""
    said = error_headers(letter.headers)
    return said["topic"], said["stage"], said["exception.class.name"]
