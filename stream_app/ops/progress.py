"""How far the group has come in this worker's partitions, and how far there is to go.

The ends are asked of the broker by a client of its own: the consumer that reads knows an end only
from its last fetch, and does not fetch when its agent stands still.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.delivery.upstream.assignment import Assignment
from stream_app.settings import Settings, security

log = logging.getLogger(__name__)

PERIOD = 5.0
"""Seconds between two checks."""


class Partition(NamedTuple):
    """One source partition, as last seen. Times are seconds since the epoch."""

    committed: int
    """The offset that the group goes on from."""
    end: int
    """The offset of the next message."""
    committed_at: float
    """When `committed` was last seen to move, at first when the partition came."""
    since: float
    """Since when there has been work and no commit."""
    end_then: int
    """The end at that time."""

    @property
    def lag(self) -> int:
        """Messages to commit."""
        return max(self.end - self.committed, 0)


def observed(before: Partition | None, committed: int, end: int, now: float) -> Partition:
    """What is known of a partition after one more check. `before`: None at the first."""
    moved = before is None or committed != before.committed
    committed_at = now if before is None or moved else before.committed_at
    if before is None or moved or committed >= end:
        return Partition(committed, end, committed_at, now, end)
    return Partition(committed, end, committed_at, before.since, before.end_then)


class Progress:
    """Checks the partitions of one worker every PERIOD."""

    def __init__(self, app: faust.App, settings: Settings) -> None:
        self._assignment = Assignment(app)
        self._settings = settings
        self._client: AIOKafkaConsumer | None = None
        self.partitions: Mapping[Any, Partition] = {}
        self.checked_at = time.time()
        """When a check last succeeded."""

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Check until stopped. Never raises: monitoring must not end a worker."""
        try:
            while not should_stop():
                try:
                    await self._check()
                    self.checked_at = time.time()
                    # Without partitions nothing is asked, and they may come any time.
                    pause = PERIOD if self.partitions else PERIOD / 10
                except Exception as error:
                    log.warning("offsets not read: %s", str(error) or type(error).__name__)
                    await self._close()
                    pause = PERIOD
                await asyncio.sleep(pause)
        finally:
            await self._close()

    async def _check(self) -> None:
        committed = self._assignment.committed()
        if not committed:
            self.partitions = {}
            return
        client = await self._connected()
        ends = await client.end_offsets([TopicPartition(*tp) for tp in committed])
        # The group begins at the beginning where it has committed nothing.
        fresh = [TopicPartition(*tp) for tp, offset in committed.items() if offset is None]
        begins = await client.beginning_offsets(fresh) if fresh else {}
        now = time.time()
        self.partitions = {
            tp: observed(
                self.partitions.get(tp),
                begins[tp] if offset is None else offset,
                ends[tp],
                now,
            )
            for tp, offset in committed.items()
        }

    async def _connected(self) -> AIOKafkaConsumer:
        if self._client is None:
            client = AIOKafkaConsumer(
                bootstrap_servers=self._settings.broker, **security(self._settings)
            )
            self._client = client
            await client.start()
        return self._client

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.stop()
