"""One worker process on a broker, with its progress, CPU time and memory sampled from outside."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer

from bench.observed import Observed
from stream_app.delivery.sending import send_all
from stream_app.messages.message import Record
from stream_app.messages.topics import CONSUMED, consumed_by, full_name
from stream_app.settings import Settings, environment

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
STAMPED = ("analyses", "recommendations", "trends")
"""Topics whose records the broker stamps when it stores them."""
TAKEN = {"analyse": consumed_by("analyse"), "all": CONSUMED}
LIMIT = 900.0


class Sample(NamedTuple):
    """One look from outside. CPU in seconds since the process began, RSS in bytes."""

    time: float
    analyses: int
    worker: float
    broker: float
    rss: int


class Stored(NamedTuple):
    """An output as the broker holds it, stored at `time`."""

    time: float
    partition: int
    offset: int
    key: bytes
    value: bytes


def cpu(pid: int) -> float:
    """User and system time of a process with all its threads, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(pid: int) -> int:
    """Resident memory of a process, bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def children(parent: int | None = None) -> list[int]:
    """Processes that one, by default this one, started and that still run."""
    own = Path(f"/proc/{parent or os.getpid()}/task").glob("*/children")
    return [int(pid) for file in own for pid in file.read_text().split()]


def tree(pid: int) -> list[int]:
    """A process and all that it started, and they started, that still run."""
    return [pid, *(inner for child in children(pid) for inner in tree(child))]


async def send_steadily(
    settings: Settings, records: Sequence[Record], rate: float
) -> dict[bytes, float]:
    """Produce `rate` a second; when each was handed to the producer, by key."""
    producer: AIOKafkaProducer = AIOKafkaProducer(bootstrap_servers=settings.broker)
    await producer.start()
    sent: dict[bytes, float] = {}
    start = time.time()
    try:
        for number, record in enumerate(records):
            ahead = start + number / rate - time.time()
            if ahead > 0:
                await asyncio.sleep(ahead)
            assert record.key is not None
            sent[record.key] = time.time()
            topic = full_name(settings, record.topic)
            await producer.send(topic, record.value, key=record.key)
    finally:
        await producer.stop()
    return sent


class Run(Observed):
    """A started worker of its own topics, group and tables.

    `module`: what is started, `bench.worker` or another program that reads reviews and writes
    analyses. `commits`: whether the group's offsets on the broker show how far it is.
    """

    def __init__(
        self,
        agents: str,
        settings: Settings,
        brokers: list[int],
        *,
        module: str = "bench.worker",
        commits: bool = True,
    ) -> None:
        super().__init__(settings)
        self.agents = agents
        self._module, self._commits = module, commits
        self.samples: list[Sample] = []
        self._brokers = brokers
        self._process: subprocess.Popen[bytes] | None = None

    async def send(self, records: Iterable[Record]) -> None:
        """Produce at full speed; returns when all are stored."""
        await send_all(self.settings, records, lambda _: None)

    async def lay_up(self, records: Iterable[Record]) -> None:
        """Produce while the worker stands still; when it goes on, everything is there."""
        self._signal(signal.SIGSTOP)
        await self.send(records)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the worker as if the machine had lost power."""
        assert self._process is not None
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        for pid in tree(self.pid):
            os.kill(pid, number)

    def start(self, data_dir: str) -> None:
        """Start the worker, anew after `kill()`."""
        own = msgspec.structs.replace(self.settings, data_dir=data_dir)
        command = [sys.executable, "-m", self._module, self.agents]
        # Faust draws a spinner on stdout.
        self._process = subprocess.Popen(
            command, env=os.environ | environment(own), stdout=subprocess.DEVNULL
        )

    async def finish(self, reviews: int) -> None:
        """Sample until every analysis is stored and all that the agents read is committed."""
        deadline = time.monotonic() + LIMIT
        while True:
            analyses = await self.stored("analyses")
            self._sample(analyses)
            if analyses >= reviews and (not self._commits or await self.lag() == 0):
                return
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{analyses} of {reviews} analyses after {LIMIT:g} s")
            await asyncio.sleep(0.2)

    def check(self) -> None:
        """Raises RuntimeError when the worker has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the worker ended with {self._process.returncode}")

    def _sample(self, analyses: int) -> None:
        pids = tree(self.pid)
        worker, broker = sum(map(cpu, pids)), sum(map(cpu, self._brokers))
        self.samples.append(Sample(time.time(), analyses, worker, broker, sum(map(rss, pids))))

    async def lag(self) -> int:
        """Messages of what the agents read that are not committed."""
        topics = TAKEN[self.agents]
        return sum([
            await self.stored(topic) - sum(await self.committed(topic)) for topic in topics
        ])  # fmt: skip

    @property
    def pid(self) -> int:
        """The worker's process."""
        assert self._process is not None
        return self._process.pid

    async def read(self, topic: str) -> list[Stored]:
        """All records of a topic."""
        ends = {partition: end for partition, end in (await self.ends(topic)).items() if end}
        if not ends:
            return []
        self._consumer.assign(list(ends))
        await self._consumer.seek_to_beginning(*ends)
        found: list[Stored] = []
        while any([await self._consumer.position(p) < end for p, end in ends.items()]):
            for batch in (await self._consumer.getmany(timeout_ms=500)).values():
                found.extend(
                    Stored(r.timestamp / 1000, r.partition, r.offset, r.key, r.value) for r in batch
                )
        self._consumer.unsubscribe()
        return found

    async def stop(self) -> None:
        """End the worker, remove the topics."""
        if self._process is not None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, 30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise
        await self.clear()

    def spent(self, begin: float, end: float) -> tuple[float, float]:
        """CPU seconds of worker and broker between two times."""
        times, _, worker, broker, _ = (
            np.array(column) for column in zip(*self.samples, strict=True)
        )
        window = (begin, end)
        return tuple(float(np.diff(np.interp(window, times, c))[0]) for c in (worker, broker))  # type: ignore[return-value]

    def memory(self, reviews: int) -> list[float]:
        """RSS in MiB when 25, 50, 75 and 100% of the analyses were stored."""
        return [
            round(next(s.rss for s in self.samples if s.analyses >= share * reviews) / 2**20, 1)
            for share in (0.25, 0.5, 0.75, 1.0)
        ]


@asynccontextmanager
async def running(run: Run) -> AsyncIterator[Run]:
    """A run prepared, stopped and cleared away in the end; the caller starts its worker."""
    await run.prepare(STAMPED)
    try:
        yield run
    finally:
        await run.stop()


def data_dir() -> tempfile.TemporaryDirectory[str]:
    """A folder for a worker's tables."""
    return tempfile.TemporaryDirectory(prefix="stream-app-bench-")
