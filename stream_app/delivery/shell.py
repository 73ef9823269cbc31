"""The shell around a processor: take a batch, compute in a thread, deliver, ack in order.

A batch is whatever has arrived when a thread becomes free, so nothing waits while the model is
idle and batches grow with the load. Results are delivered in the order of the batches, and the
batch is acked only then. Any failure ends the process without an ack: the messages come again,
and outputs and state are made so that this changes nothing.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stream_app.delivery.message import Message, Processor, Result
from stream_app.delivery.outbox import Outbox
from stream_app.delivery.table import StateTable
from stream_app.ops import tracing
from stream_app.ops.metrics import Meter

log = logging.getLogger(__name__)

EXIT_FAILURE = 70


def die(stage: str, error: BaseException) -> None:
    """End the process at once: what is not acked is delivered again to a successor."""
    log.critical("%s failed, the worker stops: %r", stage, error, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_FAILURE)


class Shell:
    """Runs one processor over a Faust stream."""

    def __init__(
        self,
        name: str,
        processor: Processor,
        outbox: Outbox,
        *,
        prefix: str,
        rows: int,
        size: int,
        threads: int = 1,
        table: StateTable | None = None,
        ready: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        """`rows` and `size` (bytes) bound a batch, and half of the buffer. With a table there is
        one thread, and a batch is computed only when the state of the last one is written.
        `ready` is awaited before the first batch."""
        assert table is None or threads == 1
        self.name = name
        self.meter = Meter(name)
        self._processor = processor
        self._outbox = outbox
        self._prefix = prefix
        self._rows, self._size = rows, size
        self._threads = threads
        self._table = table
        self._ready = ready
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, stream: Any) -> None:
        """The body of a Faust agent. Faust cancels and restarts it when partitions move, after
        everything read has been acked."""
        await _Run(self, stream.noack()).run()

    def process(self, messages: Sequence[Message]) -> Result:
        """Compute a batch, in a thread of the pool."""
        read = self._table.read if self._table else _no_table
        return self._processor(messages, read)

    async def deliver(self, result: Result) -> None:
        """Send everything; returns when it is stored, state included."""
        if self._table is None:
            await self._outbox.deliver(result.records)
            return
        changes = self._table.changes(result.states)
        offsets = await self._outbox.deliver(result.records, changes)
        self._table.write(result.states, offsets)


def _no_table(partition: int, key: bytes) -> bytes | None:
    raise RuntimeError("this processor has no table")


class _Run:
    """One iteration over a stream."""

    def __init__(self, shell: Shell, stream: Any) -> None:
        self._shell = shell
        self._stream = stream
        self._buffer: deque[Any] = deque()
        self._buffered = 0
        self._arrived = asyncio.Event()
        self._space = asyncio.Event()
        self._threads = asyncio.Semaphore(shell._threads)
        # Computed batches that wait for their turn to be sent must not pile up.
        self._flying = asyncio.Semaphore(shell._threads + 2)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        await self._shell._outbox.start()
        if self._shell._ready is not None:
            await self._shell._ready()
        dispatcher = self._spawn(self._dispatch())
        try:
            async for event in self._stream.events():
                await self._put(event)
        finally:
            dispatcher.cancel()
            for task in self._tasks:
                task.cancel()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            die(self._shell.name, error)

    async def _put(self, event: Any) -> None:
        while len(self._buffer) >= 2 * self._shell._rows or self._buffered >= 2 * self._shell._size:
            self._space.clear()
            await self._space.wait()
        self._buffer.append(event)
        self._buffered += len(event.message.value or b"")
        self._arrived.set()

    async def _take(self) -> list[Any]:
        """What has arrived, within the bounds of a batch; at least one."""
        while not self._buffer:
            self._arrived.clear()
            await self._arrived.wait()
        batch: list[Any] = []
        size = 0
        while self._buffer and len(batch) < self._shell._rows:
            length = len(self._buffer[0].message.value or b"")
            if batch and size + length > self._shell._size:
                break
            batch.append(self._buffer.popleft())
            size += length
        self._buffered -= size
        self._space.set()
        return batch

    async def _dispatch(self) -> None:
        previous: asyncio.Task[None] | None = None
        while True:
            await self._flying.acquire()
            await self._threads.acquire()
            previous = self._spawn(self._work(await self._take(), previous))

    async def _work(self, batch: list[Any], previous: asyncio.Task[None] | None) -> None:
        messages = [self._message(event.message) for event in batch]
        meter = self._shell.meter
        with meter.flying(messages), tracing.batch(self._shell.name, messages):
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
            for event in batch:
                await self._stream.ack(event)
        self._flying.release()

    def _message(self, message: Any) -> Message:
        topic = message.topic.removeprefix(self._shell._prefix)
        headers = message.headers or ()
        pairs = headers.items() if hasattr(headers, "items") else headers
        return Message(
            topic,
            message.partition,
            message.offset,
            message.key,
            message.value,
            tuple(pairs),
            message.timestamp,
        )
