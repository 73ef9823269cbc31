"""The shell's order: everything delivered before anything is acked, acks by offset."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.delivery.ending import EXIT_FAILURE
from stream_app.delivery.inbox import Batch
from stream_app.delivery.outbox import Outbox
from stream_app.delivery.ownership import CLAIM_KEY
from stream_app.delivery.shell import Shell
from stream_app.delivery.table import StateTable
from stream_app.delivery.upstream.store import Store
from stream_app.messages.dead_letter import error_labels
from stream_app.messages.message import Message, Record, Result, StateReader
from stream_app.settings import Settings


class Source:
    """Fills an agent's inbox and notes what is acked."""

    def __init__(self, sizes: Sequence[int], log: list[tuple[str, int]]) -> None:
        self.sizes = sizes
        self._log = log
        self._done = asyncio.Event()

    def on_taken(self, batch: Batch) -> None:
        pass

    def on_acked(self, batch: Batch) -> None:
        for message in batch.messages:
            self._log.append(("ack", message.offset))
            if message.offset == len(self.sizes) - 1:
                self._done.set()

    async def feed(self, shell: Shell) -> None:
        for offset, size in enumerate(self.sizes):
            shell.inbox.put(0, Message("t", 0, offset, None, b"x" * size, (), 1.0), size)

    async def run(self, shell: Shell) -> None:
        """Until all is acked."""
        shell.inbox.source = self
        running = asyncio.create_task(shell.run())
        await self.feed(shell)
        await self._done.wait()
        running.cancel()


class Sent(Outbox):
    """An outbox that notes deliveries, the first of each batch late."""

    def __init__(self, log: list[tuple[str, int]]) -> None:
        super().__init__(Settings())
        self._log = log

    async def start(self) -> None:
        pass

    async def deliver(self, records: Sequence[Record]) -> None:
        for record in records:
            await asyncio.sleep(0)
            self._log.append(("sent", int(record.key or b"")))


class Uneven:
    """A processor whose first batches take longest, so that later ones overtake them."""

    def __init__(self) -> None:
        self.batches: list[list[Message]] = []
        self.threads: set[int] = set()
        self._done: set[int] = set()
        self._state = threading.Condition()

    def __call__(self, messages: Sequence[Message], read: StateReader) -> Result:
        with self._state:
            self.batches.append(list(messages))
            self.threads.add(threading.get_ident())
            number = len(self.batches)
            if number % 2:
                # With one thread, or as the last, none overtakes.
                self._state.wait_for(lambda: number + 1 in self._done, 0.004)
            self._done.add(number)
            self._state.notify_all()
        return Result([Record("out", str(m.offset).encode(), b"") for m in messages], [])


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=60),
    st.integers(1, 8),
    st.integers(1, 120),
    st.integers(1, 3),
)
def test_sent_before_acked_in_order(sizes: list[int], rows: int, size: int, threads: int) -> None:
    log: list[tuple[str, int]] = []
    processor = Uneven()

    async def run() -> None:
        shell = Shell("t", processor, Sent(log), rows=rows, size=size, threads=threads)
        await Source(sizes, log).run(shell)

    asyncio.run(run())
    everything = list(range(len(sizes)))
    assert [o for what, o in log if what == "sent"] == everything
    assert [o for what, o in log if what == "ack"] == everything
    assert all(log.index(("sent", o)) < log.index(("ack", o)) for o in everything)
    # The event loop never computes.
    assert threading.get_ident() not in processor.threads
    for batch in processor.batches:
        assert len(batch) <= rows
        assert len(batch) == 1 or sum(len(m.value or b"") for m in batch) <= size


class Trickle(Source):
    """The same, one message each time the loop goes round."""

    async def feed(self, shell: Shell) -> None:
        for offset, size in enumerate(self.sizes):
            shell.inbox.put(0, Message("t", 0, offset, None, b"x" * size, (), 1.0), size)
            await asyncio.sleep(0)


def test_a_batch_that_gathers_takes_what_comes_just_after() -> None:
    log: list[tuple[str, int]] = []

    def batches(gather: float) -> list[int]:
        processor = Uneven()

        async def run() -> None:
            shell = Shell("t", processor, Sent(log), rows=9, size=9999, gather=gather)
            await Trickle([1] * 12, log).run(shell)

        asyncio.run(run())
        return [len(batch) for batch in processor.batches]

    assert batches(0.0)[0] < 9
    assert batches(0.2) == [9, 3]


class Hidden(StateTable):
    """A table of which only the claim's key can be read."""

    def __init__(self) -> None:
        pass

    def read(self, partition: int, key: bytes) -> bytes | None:
        return b"7" if key == CLAIM_KEY else None


def test_a_key_that_the_store_keeps_for_itself_is_a_dead_letter() -> None:
    """A user may have any name: whose name is that of the claim must not read it."""
    seen: list[bytes | None] = []

    def processor(messages: Sequence[Message], read: StateReader) -> Result:
        seen.extend(message.key for message in messages)
        return Result([], [])

    shell = Shell("t", processor, Sent([]), rows=9, size=99, table=Hidden())
    keys = [b"u", CLAIM_KEY, Store.offset_key, b"\0", None]
    result = shell.process([Message("t", 0, n, key, b"x", (), 1.0) for n, key in enumerate(keys)])
    assert seen == [b"u", b"\0", None]
    assert [record.key for record in result.records] == [CLAIM_KEY, Store.offset_key]
    assert {error_labels(record)[2] for record in result.records} == {"Invalid"}


START = """
import asyncio
from test_shell import Sent, Source
from stream_app.messages.message import Record, Result, State
from stream_app.delivery.shell import Shell

class Told(list):
    def append(self, entry):
        print(*entry, flush=True)

told = Told()
"""

FAILS = (
    START
    + """
def fail(messages, read):
    if messages[-1].offset >= 5:
        raise RuntimeError("the processor fails")
    return Result([], [])

async def main():
    await Source([1] * 10, told).run(Shell("t", fail, Sent(told), rows=1, size=100))

asyncio.run(main())
"""
)

FAILS_BESIDE = (
    START
    + """
begun = asyncio.Event()

class Table:
    overwritten, check_changelog = list, None
    def read(self, partition, key): pass
    async def claim(self, partitions): pass
    async def store(self, states):
        begun.set()
        for _ in range(50):
            await asyncio.sleep(0)
        told.append(("state", 0))

def work(messages, read):
    return Result([Record("out", b"0", b"")], [State(0, b"k", b"v")])

def fail(messages, read):
    raise RuntimeError("the processor fails")

async def main():
    outbox = Sent(told)
    good = Shell("good", work, outbox, rows=1, size=9, table=Table())
    bad = Shell("bad", fail, outbox, rows=1, size=9, ready=begun.wait)
    await asyncio.gather(*(Source([1, 1], told).run(shell) for shell in (good, bad)))

asyncio.run(main())
"""
)


def ended(program: str) -> list[str]:
    """What a program has printed that must end as a failed worker does."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, capture_output=True, text=True,
        timeout=60, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}, check=False,
    )  # fmt: skip
    assert done.returncode == EXIT_FAILURE, done.stderr
    return done.stdout.splitlines()


def test_a_failing_batch_ends_the_worker_and_is_not_acked() -> None:
    assert ended(FAILS) == [f"ack {offset}" for offset in range(5)]


def test_what_others_have_begun_to_deliver_gets_its_state_before_the_worker_ends() -> None:
    # Not the second message: nothing begins any more.
    assert [line for line in ended(FAILS_BESIDE) if "ack" not in line] == ["sent 0", "state 0"]
