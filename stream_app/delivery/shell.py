"""The shell around a processor: form a batch, compute it in a thread, deliver, ack in order.

A batch is whatever has arrived when a thread becomes free: nothing waits while the model is idle,
and batches grow with the load. Results are delivered in the order of the batches, and a batch is
acked only when all of its result is stored. Any failure ends the process without an ack: the
messages come again, and processing a message twice changes nothing (docs/delivery-protocol.md).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stream_app.delivery.ending import drain_and_exit
from stream_app.delivery.inbox import Batch, Inbox
from stream_app.delivery.outbox import Outbox
from stream_app.delivery.table import StateTable
from stream_app.delivery.upstream.store import reserved
from stream_app.delivery.upstream.unpacking import Unreadable
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import REFRESH, Message, Processor, Record, Result, State
from stream_app.schemas import Invalid
from stream_app.telemetry import tracing
from stream_app.telemetry.metrics import Meter

IDLE_SECONDS = 2.0
"""Without a message for so long, a shell with a table checks its changelog for foreign writes."""


class Shell:
    """Runs one processor over what comes into its inbox."""

    def __init__(
        self,
        name: str,
        processor: Processor,
        outbox: Outbox,
        *,
        rows: int,
        size: int,
        threads: int = 1,
        table: StateTable | None = None,
        ready: Callable[[], Awaitable[Any]] | None = None,
        gather: float = 0.0,
    ) -> None:
        """`rows` and `size` (bytes) bound a batch, and half of the inbox. With a table there is
        one thread, and a batch is computed only when the state of the last one is written.
        `ready` is awaited before the first batch. A batch that is not full waits `gather` seconds
        for more: it pays where a batch costs by its keys and not by its messages."""
        assert table is None or threads == 1
        self.name = name
        self.meter = Meter(name)
        self._processor = processor
        self._outbox = outbox
        self.inbox = Inbox(rows, size)
        self._threads = threads
        self._table = table
        self._ready = ready
        self._gather = gather
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._failing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """The body of a Faust agent. Faust cancels and restarts it at a rebalance, for which it
        waits until every batch is acked."""
        await _Run(self).run()

    def process(self, messages: Sequence[Message]) -> Result:
        """Compute a batch, in a thread of the pool. What could not be unpacked is a dead letter,
        and with a table what has one of the keys that the store keeps for itself."""
        read = self._table.read if self._table else _no_table
        letters: list[Record] = []
        readable: list[Message] = []
        for message in messages:
            if isinstance(message.value, Unreadable):
                error = Invalid(message.value.reason)
                letters.append(dead_letter(message._replace(value=None), error, self.name))
            elif self._table and message.key is not None and reserved(message.key):
                letters.append(dead_letter(message, Invalid("the key is reserved"), self.name))
            else:
                readable.append(message)
        result = self._processor(readable, read)
        return Result(letters + result.records, [*_forgotten(readable, result), *result.states])

    async def claim(self, messages: Sequence[Message]) -> None:
        """Claim the partitions of a batch before its state is read."""
        if self._table is not None:
            await self._table.claim(message.partition for message in messages)

    def refreshes(self) -> list[Message]:
        """A message for each key that a fenced writer has overwritten."""
        found = self._table.overwritten() if self._table else []
        return [Message(REFRESH, number, -1, key, None, (), 0.0) for number, key in found]

    async def check_changelog(self) -> bool:
        """Whether there are overwritten keys to refresh, the changelog's newest included."""
        return self._table is not None and await self._table.check_changelog()

    async def deliver(self, result: Result) -> None:
        """Send outputs, then write state; returns when both are stored. It runs as a task of its
        own, to the end also where a rebalance cancels whoever waits for it: outputs without their
        state would leave the next owner nothing to notice."""
        if self._outbox.stopped:
            raise RuntimeError("the worker is ending")
        task = self._outbox.begin(self._deliver(result))
        task.add_done_callback(self._end_if_failed)
        await asyncio.shield(task)

    async def _deliver(self, result: Result) -> None:
        """State goes last: if this worker is fenced, the owner finds the stale state in the
        changelog and sends the outputs of those keys again."""
        await self._outbox.deliver(result.records)
        if self._table is not None:
            await self._table.store(result.states)

    def _end_if_failed(self, task: asyncio.Task[None]) -> None:
        """End the process if a task has failed, unless the worker is ending anyway."""
        if task.cancelled() or (error := task.exception()) is None or self._outbox.stopped:
            return
        ending = drain_and_exit(self.name, error, self._outbox)
        self._failing = asyncio.create_task(ending)


def _forgotten(messages: Sequence[Message], result: Result) -> Iterator[State]:
    """Keys that a fenced writer has overwritten and of which nothing is known: forgotten again, or
    the stale record would stay the newest of its key."""
    known = {(state.partition, state.key) for state in result.states}
    for message in messages:
        if message.topic == REFRESH and (message.partition, message.key) not in known:
            yield State(message.partition, message.key or b"", None)


def _no_table(partition: int, key: bytes) -> bytes | None:
    raise RuntimeError("this processor has no table")


class _Run:
    """The shell between two rebalances."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._threads = asyncio.Semaphore(shell._threads)
        # Computed batches that wait for their turn to be sent must not pile up.
        self._in_flight = asyncio.Semaphore(shell._threads + 2)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        await self._shell._outbox.start()
        # A run before this one may have been cancelled with a delivery under way.
        await self._shell._outbox.drain()
        if self._shell._ready is not None:
            await self._shell._ready()
        self._spawn(self._dispatch())
        try:
            await asyncio.Event().wait()  # until cancelled: a task that fails ends the worker
        finally:
            for task in self._tasks:
                task.cancel()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._shell._end_if_failed(task)

    async def _next_batch(self) -> Batch:
        """What has arrived, within the bounds of a batch; an empty batch where there are only keys
        to refresh."""
        inbox = self._shell.inbox
        while not await inbox.arrival(IDLE_SECONDS):
            if await self._shell.check_changelog():
                return inbox.next_batch()
        if self._shell._gather and not inbox.enough:
            await asyncio.sleep(self._shell._gather)
        return inbox.next_batch()

    async def _dispatch(self) -> None:
        previous: asyncio.Task[None] | None = None
        while True:
            await self._in_flight.acquire()
            await self._threads.acquire()
            batch = await self._next_batch()
            previous = self._spawn(self._work(batch, self._shell.refreshes(), previous))

    async def _work(
        self, batch: Batch, refreshes: list[Message], previous: asyncio.Task[None] | None
    ) -> None:
        messages = [*refreshes, *batch.messages]
        meter = self._shell.meter
        with meter.flying(messages), tracing.batch(self._shell.name, messages):
            await self._shell.claim(messages)
            with meter.compute.time():
                loop = asyncio.get_running_loop()
                result = await loop.run_in_executor(
                    self._shell._pool, self._shell.process, messages
                )
            if self._shell._table is None:
                self._threads.release()
            if previous is not None:
                await previous
            with meter.deliver.time():
                await self._shell.deliver(result)
            meter.stored(messages)
            if self._shell._table is not None:
                self._threads.release()
            self._shell.inbox.ack(batch)
        self._in_flight.release()
