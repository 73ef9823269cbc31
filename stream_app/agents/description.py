"""What an agent is, and what a worker does with a topic that it reads whole.

The worker and `replay` are wired from these descriptions alone, so whatever a worker does has its
oracle. Which topics an agent takes, and which it awaits, stands in the table of topics.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stream_app.messages.message import Processor, Record
from stream_app.messages.topics import TABLES, AgentName, Table, awaited_by, consumed_by
from stream_app.pipeline import Pipeline

Handle = Callable[[bytes | None, bytes | None], None]
"""Takes a message's key and value; None as value: the key was deleted. Raises Invalid."""


def one_thread(pipeline: Pipeline) -> int:
    """Batches are computed one after the other."""
    return 1


@dataclass(frozen=True, slots=True)
class Agent:
    """A processor with its topics and its table."""

    name: AgentName
    processor: Callable[[Pipeline], Processor]
    threads: Callable[[Pipeline], int] = one_thread
    """How many batches are computed at once; with a table one."""
    gather: float = 0.0
    """Seconds that a batch which is not full waits for more."""
    readable: Callable[[Pipeline, bytes], dict[str, Any]] | None = None
    """A record of its table for people and comparisons."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What it takes as a member of the group."""
        return consumed_by(self.name)

    @property
    def awaits(self) -> tuple[str, ...]:
        """Broadcasts that are read before its first batch."""
        return awaited_by(self.name)

    @property
    def table(self) -> Table | None:
        """Its state."""
        return next((table for table in TABLES if table.agent == self.name), None)


@dataclass(frozen=True, slots=True)
class Reminders:
    """Records that are due without an input: asked for every `seconds`."""

    seconds: float
    due: Callable[[], Sequence[Record]]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What takes a broadcast's messages in."""

    handle: Handle
    restoring: Callable[[], None] | None = None
    """Called after each message until the topic has been read to its end."""
    settled: Callable[[], Awaitable[None]] | None = None
    """Awaited when the topic has been read, before the agents that await it begin."""
    stop: Callable[[], None] | None = None
    """Called when the worker stops in order."""
    reminders: Reminders | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic that every worker reads whole."""

    topic: str
    open: Callable[[Pipeline], Subscriber]
    replayed: bool = True
    """Whether `replay` feeds its outputs back too."""
