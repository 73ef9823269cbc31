"""Faust's transport, mended where it loses messages while partitions move.

Four faults of faust-streaming 0.15.3, all of which the kill tests have shown as lost messages or
as tables read before they were restored:

- Recovery lets the source partitions be read, then seeks them, then clears the agents' queues.
  What was read in between is gone; the check that should stop the commit is off by one.
- A queue that runs empty makes its partition readable (`on_buffer_drop`), also during recovery:
  the agent then works on a table that is not restored yet.
- A fetch that began before a seek may end after it. Its records are thrown away although the
  position is past them; where nothing was committed yet, no later seek brings them back.
- Messages that a stream skips while partitions move are acked unprocessed.

Here the sources are closed from the first word of a rebalance until recovery has cleared the
queues; a seek and a fetch exclude each other; what was fetched before the partitions moved is not
delivered; and only what a stream handed to its agent can be acked.

The bounds of a fetch are ours as well. One answer holds at most 4 MiB, not 50: where an agent has
fallen behind, a worker would take up that much at once. And the wait is a setting: Faust tells
the broker to hold an empty fetch for 1.5 s. Apache Kafka answers earlier when data comes; the
embedded broker does not, so there the wait is the latency.

Queues are bounded by messages, not by bytes: a thousand messages of 4 MiB would fit in. So nothing
more is read while messages of `HEAVY` bytes and more that are not yet acked hold `HELD`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from weakref import WeakSet

from faust.transport.drivers import aiokafka as driver

from stream_app.delivery import unpacking
from stream_app.delivery.message import size
from stream_app.topics import LARGE

HEAVY, HELD = 16 * 1024, 4 * LARGE


class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.consumer.fetch_wait_ms
        consumer._fetch_max_bytes = LARGE
        return consumer


class _Consumer(driver.Consumer):  # type: ignore[misc]
    """Delivers every message of a source, in order, from the committed offset on, and only when
    the tables are restored."""

    fetch_wait_ms: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open = False
        """Whether sources may be read; changelogs always may."""
        self._sought = False
        self._moves = 0
        """How often partitions have moved: what was fetched before the last move is stale."""
        self._fetched_at = 0
        self._fetching = asyncio.Lock()
        self._heavy: WeakSet[Any] = WeakSet()

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    def ack(self, message: Any) -> bool:
        self._heavy.discard(message)
        return bool(message.tracked and super().ack(message))

    def stop_flow(self) -> None:
        self._close()
        super().stop_flow()

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        self._close()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        self._close()
        await super().on_partitions_assigned(assigned, generation_id)

    def _close(self) -> None:
        self._open = self._sought = False
        self._moves += 1

    def resume_flow(self) -> None:
        # After the seek this is recovery's last word: no queue is cleared any more.
        self._open = self._open or self._sought
        super().resume_flow()

    async def perform_seek(self) -> None:
        """Seek the sources to what is committed, or else to their beginning."""
        moves = self._moves
        async with self._fetching:
            committed = await self.seek_to_committed()
            sources = {tp for tp in self.assignment() if not self._is_changelog_tp(tp)}
            fresh = {tp for tp in sources if not committed.get(tp)}
            if fresh:
                await self._thread.seek_wait(await self.earliest_offsets(*fresh))
            for tp in sources:
                offset = None if tp in fresh else committed[tp]
                self._read_offset[tp] = self._committed_offset[tp] = offset
            self._sought = moves == self._moves

    async def seek_wait(self, partitions: Mapping[Any, int]) -> None:
        async with self._fetching:
            await super().seek_wait(partitions)

    async def _getmany(self, active_partitions: set[Any] | None, timeout: float) -> Any:
        async with self._fetching:
            self._fetched_at = self._moves
            may = self._open and sum(map(size, self._heavy)) < HELD
            readable = {tp for tp in active_partitions or () if may or self._is_changelog_tp(tp)}
            if readable:
                return await super()._getmany(readable, timeout)
        await asyncio.sleep(0.02)
        return {}

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        records, _ = await self._wait_next_records(timeout)
        for tp, record in self.scheduler.iterate(records or {}):
            if self.should_stop or self._fetched_at != self._moves:
                return
            message = self._to_message(tp, record)
            if not self._is_changelog_tp(tp) and size(message) >= HEAVY:
                self._heavy.add(message)
            yield tp, message


def transport_class(fetch_wait_ms: int) -> type[Any]:
    """A transport whose consumers wait `fetch_wait_ms`."""
    unpacking.install()

    class Consumer(_Consumer):
        pass

    class Transport(driver.Transport):  # type: ignore[misc]
        pass

    Consumer.fetch_wait_ms = fetch_wait_ms
    Transport.Consumer = Consumer
    return Transport
