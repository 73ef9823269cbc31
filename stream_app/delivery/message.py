"""Messages in, results out: all that a processor sees of Kafka."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]


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
    value: bytes


class Result(NamedTuple):
    """What a batch leads to. Everything is delivered before the batch is acked."""

    records: list[Record]
    states: list[State]


Read = Callable[[int, bytes], bytes | None]
"""A table's value by partition and key."""


class Processor(Protocol):
    """Pure but for its model: a batch and the table's state to a result.

    Never raises for what a message holds: that becomes a dead letter. What it raises stops the
    worker before anything of the batch is acked.
    """

    def __call__(self, messages: Sequence[Message], read: Read) -> Result: ...


PRODUCED = "produced"
"""Header of an analysis: the timestamp of its review's message, milliseconds."""


def produced(message: Message) -> float:
    """When the event entered the flow, seconds since the epoch; below 0: unknown."""
    for name, value in message.headers:
        if name == PRODUCED:
            try:
                return int(value) / 1000
            except (ValueError, OverflowError):
                break
    return message.time


def carried(headers: Headers) -> Headers:
    """The headers that travel from input to output: W3C trace context and CloudEvents."""
    return tuple(
        (name, value)
        for name, value in headers
        if name in ("traceparent", "tracestate") or name.startswith("ce_")
    )
