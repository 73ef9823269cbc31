"""Workers of one group as processes, and what the broker says of them."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupCoordinatorNotAvailableError

from bench.observed import Observed
from stream_app.settings import Settings, environment

LIMIT = 400.0
"""Seconds that anything waited for may take."""
STABLE = "Stable"


class Fleet(Observed):
    """Workers that share topics and group; each has a folder for its tables."""

    def __init__(self, settings: Settings, folder: Path, *command: str) -> None:
        """`command`: module and arguments of a worker."""
        super().__init__(settings)
        self.folder = folder
        self._command = [sys.executable, "-m", *command]
        self._named = False
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def pids(self) -> list[int]:
        """Of the workers that were started."""
        return [process.pid for process in self._processes]

    def start(self, workers: int, named: bool = False) -> None:
        """Start so many; a worker finds the folder that the worker of its number left, and `named`
        its place in the group."""
        self._named = named
        self._processes.extend(self._spawn(number) for number in range(workers))

    def _spawn(self, number: int) -> subprocess.Popen[bytes]:
        data, instance = str(self.folder / str(number)), f"worker-{number}" if self._named else ""
        own = msgspec.structs.replace(self.settings, data_dir=data, instance=instance)
        # Faust draws a spinner on stdout.
        return subprocess.Popen(
            self._command, env=os.environ | environment(own), stdout=subprocess.DEVNULL
        )

    async def restart(self, number: int) -> None:
        """Stop a worker as a deployment does, and start it again."""
        self._processes[number].terminate()
        await asyncio.to_thread(self._processes[number].wait, 30)
        self._processes[number] = self._spawn(number)

    async def members(self) -> dict[str, frozenset[tuple[str, int]]]:
        """Topics and partitions by member id; empty while partitions move."""
        try:
            described = await self._admin.describe_consumer_groups([self.settings.app])
        except GroupCoordinatorNotAvailableError:
            return {}  # the first group of a broker makes the topic of the offsets
        _, _, state, _, _, members, *_ = described[0].groups[0]
        if state != STABLE:
            return {}
        decode = ConsumerProtocolMemberAssignment.decode
        return {
            member[0]: frozenset((t, n) for t, numbers in decode(member[-1]).assignment
                                 for n in numbers)
            for member in members
        }  # fmt: skip

    async def stop(self) -> None:
        """End the workers as a deployment does."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            await asyncio.to_thread(process.wait, 30)
        self._processes.clear()

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for a condition. Raises TimeoutError, and RuntimeError when a worker has ended."""
        deadline = time.monotonic() + LIMIT
        while not await condition():
            if any(process.poll() is not None for process in self._processes):
                raise RuntimeError("a worker has ended")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {LIMIT:g} s: {what}")
            await asyncio.sleep(0.1)

    async def joined(self) -> bool:
        """Whether every worker is in the group, and the group at rest."""
        return len(await self.members()) == len(self._processes)

    async def last(self, topic: str) -> list[bytes]:
        """The newest value of each partition that has any."""
        ends = {tp: end for tp, end in (await self.ends(topic)).items() if end}
        self._consumer.assign(list(ends))
        for tp, end in ends.items():
            self._consumer.seek(tp, end - 1)
        found = [(await self._consumer.getone(tp)).value for tp in ends]
        self._consumer.unsubscribe()
        return found

    async def close(self) -> None:
        """End what runs and remove the topics."""
        for process in self._processes:
            process.kill()
            process.wait()
        await self.clear()


@asynccontextmanager
async def fleet(settings: Settings, *command: str) -> AsyncIterator[Fleet]:
    """Topics and a folder for workers that the caller starts; all of it gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="stream-app-bench-"))
    made = Fleet(settings, folder, *command)
    await made.prepare()
    try:
        yield made
    finally:
        await made.close()
        shutil.rmtree(folder, ignore_errors=True)
