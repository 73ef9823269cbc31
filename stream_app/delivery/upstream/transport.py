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
delivered; and only what an agent has taken can be acked.

Sources do not pass through Faust's queues and streams at all, only changelogs do. Faust hands
messages on one by one and waits where a queue is full, so that an agent with a backlog holds up all
others. Here a fetch goes into the agents' inboxes at once, and the partitions of a full inbox are
not fetched.

The bounds of a fetch are ours as well. One answer holds at most 4 MiB, not 50: where an agent has
fallen behind, a worker would take up that much at once. And the wait is a setting: Faust tells
the broker to hold an empty fetch for 1.5 s. Apache Kafka answers earlier when data comes; the
embedded broker does not, so there the wait is the latency.

A message may have 4 MiB. So nothing more is read while inboxes, and batches that are not yet
acked, hold `HELD`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from time import monotonic
from typing import Any

from faust.transport.drivers import aiokafka as driver
from mode.utils.futures import notify

from stream_app.delivery.inbox import Batch, Inbox
from stream_app.delivery.upstream import committed, membership, unpacking
from stream_app.delivery.upstream.names import require
from stream_app.delivery.upstream.pace import Pace
from stream_app.messages.message import FILLER, Message, size
from stream_app.messages.topics import LARGE
from stream_app.settings import Settings

HELD = 4 * LARGE
PAUSE = 0.05
"""Seconds after which a full inbox is looked at again."""


class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.consumer.fetch_wait_ms
        consumer._fetch_max_bytes = LARGE
        self._pace = Pace(consumer)
        return consumer

    async def _fetch_records(self, consumer: Any, *args: Any, **options: Any) -> Any:
        records = await super()._fetch_records(consumer, *args, **options)
        self._pace.observe(bool(records))
        # A call brings so many records and begins with the first partition: it must be another's
        # turn next time.
        buffered = consumer._fetcher._records
        for partition in records:
            if partition in buffered:
                buffered.move_to_end(partition)
        return records


class _Consumer(driver.Consumer):  # type: ignore[misc]
    """Delivers every message of a source, in order, from the committed offset on, and only when
    the tables are restored."""

    fetch_wait_ms: int
    prefix: str
    """Of all sources' topics."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open = False
        """Whether sources may be read; changelogs always may."""
        self._sought = False
        self._moves = 0
        """How often partitions have moved: what was fetched before the last move is stale."""
        self._fetched_at = 0
        self._fetching = asyncio.Lock()
        self._inboxes: Mapping[str, Inbox] = self.transport.inboxes
        """By topic."""

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def on_start(self) -> None:
        for inbox in self._inboxes.values():
            inbox.source = self
        await super().on_start()

    def on_taken(self, batch: Batch) -> None:
        """A rebalance waits for it."""
        self._unacked_messages.add(batch)
        now = monotonic()
        for partition in batch.offsets:
            # Else Faust complains of agents that stand still.
            self.app.monitor.stream_inbound_time[partition] = now

    def on_acked(self, batch: Batch) -> None:
        """Let its offsets be committed."""
        for partition, offsets in batch.offsets.items():
            committed = self._committed_offset[partition]
            known = self._acked_index[partition]
            new = [o for o in offsets if o >= (committed or 0) and o not in known]
            known.update(new)
            self._acked[partition].extend(new)
        batch.acked = True
        self._unacked_messages.discard(batch)
        notify(self._waiting_for_ack)

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
        for inbox in self._inboxes.values():
            inbox.clear()

    def resume_flow(self) -> None:
        # After the seek this is recovery's last word: no queue is cleared any more.
        self._open = self._open or self._sought
        super().resume_flow()

    async def perform_seek(self) -> None:
        """Seek the sources to what is committed, or else to their beginning."""
        moves = self._moves
        async with self._fetching:
            offsets = await self.seek_to_committed()
            sources = {tp for tp in self.assignment() if not self._is_changelog_tp(tp)}
            fresh = {tp for tp in sources if not offsets.get(tp)}
            if fresh:
                await self._thread.seek_wait(await self.earliest_offsets(*fresh))
            for tp in sources:
                offset = None if tp in fresh else offsets[tp]
                self._read_offset[tp] = self._committed_offset[tp] = offset
            self._sought = moves == self._moves

    async def seek_wait(self, partitions: Mapping[Any, int]) -> None:
        async with self._fetching:
            await super().seek_wait(partitions)

    async def _getmany(self, active_partitions: set[Any] | None, timeout: float) -> Any:
        async with self._fetching:
            self._fetched_at = self._moves
            readable, waits = self._readable(active_partitions or set())
            if readable:
                return await super()._getmany(readable, PAUSE if waits else timeout)
        await asyncio.sleep(PAUSE)
        return {}

    def _readable(self, active: set[Any]) -> tuple[set[Any], bool]:
        """The partitions to fetch, and whether there are some to fetch as soon as there is room."""
        changelogs = {tp for tp in active if self._is_changelog_tp(tp)}
        if not self._open:
            return changelogs, False
        sources = active - changelogs
        inboxes = set(self._inboxes.values())
        if sum(inbox.held for inbox in inboxes) >= HELD:
            return changelogs, bool(sources)
        full = {topic for topic, inbox in self._inboxes.items() if inbox.full}
        blocked = {tp for tp in sources if tp.topic in full}
        return active - blocked, bool(blocked)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        records, _ = await self._wait_next_records(timeout)
        if self.should_stop or self._fetched_at != self._moves:
            return
        restored = {}
        for tp, found in (records or {}).items():
            if self._is_changelog_tp(tp):
                restored[tp] = found
            else:
                self._fill_inbox(tp, found)
        for tp, record in self.scheduler.iterate(restored):
            if self.should_stop or self._fetched_at != self._moves:
                return
            yield tp, self._to_message(tp, record)

    def _fill_inbox(self, tp: Any, records: Sequence[Any]) -> None:
        """Put a source's records into its inbox."""
        inbox = self._inboxes[tp.topic]
        topic = tp.topic.removeprefix(self.prefix)
        read = self._read_offset[tp]
        for record in records:
            if record.key == FILLER and record.value is None:
                continue  # a gap to those who ack
            if read is not None:
                if record.offset < read:
                    continue
                if record.offset > read + 1:
                    # Removed by compaction, or not for readers: nobody will ack these.
                    self._gap[tp].addi(read + 1, record.offset)
            read = record.offset
            message = Message(
                topic, tp.partition, read, record.key, record.value,
                tuple(record.headers or ()), record.timestamp / 1000,
            )  # fmt: skip
            inbox.put(tp, message, size(message))
        self._read_offset[tp] = read


def transport_class(settings: Settings) -> type[Any]:
    """A transport with the settings' wait and prefix. Raises UpstreamError."""
    require("transport")
    unpacking.install()
    committed.install()
    membership.install()

    class Consumer(_Consumer):
        fetch_wait_ms = settings.fetch_wait_ms
        prefix = settings.prefix

    class Transport(driver.Transport):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.inboxes: dict[str, Inbox] = {}
            """Where a source's messages go, by topic."""

    Transport.Consumer = Consumer
    return Transport
