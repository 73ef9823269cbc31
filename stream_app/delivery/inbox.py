"""An agent's inbox: messages that were fetched and wait for it, and batches that are not acked.

The consumer adds what a fetch brought and never waits. It fetches no more of the topics whose
inbox is full, so that an agent that has fallen behind does not hold up the others.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

from stream_app.messages.message import Message


class _Waiting(NamedTuple):
    partition: Any
    """Topic, by its full name, and number."""
    message: Message
    size: int


class Batch:
    """Messages that are processed together. Faust keeps only a weak reference (as to its own
    messages): a rebalance does not wait for a batch whose agent was cancelled."""

    __slots__ = ("__weakref__", "acked", "messages", "offsets", "refcount", "size")

    def __init__(self, taken: Sequence[_Waiting]) -> None:
        self.messages = [waiting.message for waiting in taken]
        self.size = sum(waiting.size for waiting in taken)
        self.offsets: dict[Any, list[int]] = defaultdict(list)
        """By partition."""
        for waiting in taken:
            self.offsets[waiting.partition].append(waiting.message.offset)
        self.acked = False
        self.refcount = 1
        """For Faust's log."""


class Source(Protocol):
    """The consumer that fills an inbox, and commits what is acked."""

    def on_taken(self, batch: Batch) -> None: ...

    def on_acked(self, batch: Batch) -> None: ...


class Inbox:
    """To be used from one event loop."""

    source: Source

    def __init__(self, rows: int, size: int) -> None:
        """`rows` and `size` (bytes) bound a batch; with twice as much it is full."""
        self._rows, self._size = rows, size
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._in_flight: WeakSet[Batch] = WeakSet()

    @property
    def full(self) -> bool:
        """Whether no more should be fetched."""
        return len(self._waiting) >= 2 * self._rows or self._bytes >= 2 * self._size

    @property
    def enough(self) -> bool:
        """Whether a batch's bound is reached."""
        return len(self._waiting) >= self._rows or self._bytes >= self._size

    @property
    def held(self) -> int:
        """Bytes of what waits and of what is not acked."""
        return self._bytes + sum(batch.size for batch in self._in_flight)

    def put(self, partition: Any, message: Message, size: int) -> None:
        """Add a message of `size` bytes; a partition's come in the order of their offsets."""
        self._waiting.append(_Waiting(partition, message, size))
        self._bytes += size
        self._arrived.set()

    def clear(self) -> None:
        """Forget what waits: it will be fetched again."""
        self._waiting.clear()
        self._bytes = 0

    async def arrival(self, seconds: float) -> bool:
        """Wait until something is there; False: nothing within `seconds`."""
        while not self._waiting:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), seconds)
            except TimeoutError:
                return False
        return True

    def next_batch(self) -> Batch:
        """What waits, within the bounds of a batch; at least one message if there is any."""
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and len(taken) < self._rows:
            if taken and size + self._waiting[0].size > self._size:
                break
            taken.append(self._waiting.popleft())
            size += taken[-1].size
        self._bytes -= size
        batch = Batch(taken)
        if taken:
            self._in_flight.add(batch)
            self.source.on_taken(batch)
        return batch

    def ack(self, batch: Batch) -> None:
        """All that a batch leads to is stored."""
        if batch.messages:
            self._in_flight.discard(batch)
            self.source.on_acked(batch)
