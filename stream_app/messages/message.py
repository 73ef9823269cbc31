"""Messages in, results out: all that a processor sees of Kafka."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

Headers = tuple[tuple[str, bytes | None], ...]
REFRESH = "refresh"
"""Topic of a message that the shell itself makes for an overwritten key: the processor is to put
out the key's state and outputs again, unchanged."""
FILLER = b"\x00filler"
"""Key of what an import puts where messages stood that nobody needs, so that those after them have
the offsets that they had. Nobody takes it for a message."""
CARRIED = 8192
"""Bytes of headers that travel from input to output."""
HEADER = 16
"""What one header costs at most beside name and value."""


class Message(NamedTuple):
    """A message as received. `topic` is the name without the prefix, `time` its timestamp."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    time: float

    @property
    def source(self) -> str:
        """Name of the source partition, as kept in the records."""
        return f"{self.topic}/{self.partition}"


class Record(NamedTuple):
    """A message to send."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class State(NamedTuple):
    """A table's new value of one key, in the partition of the events that changed it."""

    partition: int
    key: bytes
    value: bytes | None
    """None: the key is forgotten."""


class Result(NamedTuple):
    """What a batch leads to. Everything is delivered before the batch is acked."""

    records: list[Record]
    states: list[State]


StateReader = Callable[[int, bytes], bytes | None]
"""Reads a table: the state by partition and key; None where there is none."""


class Processor(Protocol):
    """Pure but for its model: a batch and the table's state to a result.

    Never raises for what a message holds: that becomes a dead letter. What it raises stops the
    worker before anything of the batch is acked.
    """

    def __call__(self, messages: Sequence[Message], read: StateReader) -> Result: ...


def size(message: Any) -> int:
    """Bytes of a message: key, value and headers."""
    headers = sum(weight(name, value) for name, value in message.headers or ())
    return len(message.key or b"") + len(message.value or b"") + headers


def weight(name: str, value: bytes | None) -> int:
    """Bytes of a header, counted as where it counts most: a character may be four."""
    return HEADER + 4 * len(name) + len(value or b"")


INGEST_TIME = "produced"
"""Header of an analysis: the ingest time of its review's message, milliseconds."""


def carried_ingest_time(message: Message) -> float | None:
    """The ingest time in a message's header, seconds since the epoch; None: it carries none."""
    for name, value in message.headers:
        if name == INGEST_TIME:
            try:
                return int(value or b"") / 1000
            except (ValueError, OverflowError):
                break
    return None


def ingest_time(message: Message) -> float:
    """When the event behind a message entered the first topic, seconds since the epoch: as the
    message carries it, else its own timestamp. Below 0: unknown."""
    found = carried_ingest_time(message)
    return message.time if found is None else found


def carried(headers: Headers) -> Headers:
    """The headers that travel from input to output: W3C trace context and CloudEvents. A header
    that no longer fits in `CARRIED` bytes stays behind: every output would carry it."""
    found: list[tuple[str, bytes | None]] = []
    room = CARRIED
    for name, value in headers:
        if name in ("traceparent", "tracestate") or name.startswith("ce_"):
            cost = weight(name, value)
            if cost <= room:
                found.append((name, value))
                room -= cost
    return tuple(found)
