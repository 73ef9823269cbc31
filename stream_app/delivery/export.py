"""Tables, compacted topics and pending messages of a group into a snapshot file.

The order makes it right while workers go on: committed offsets first, then the tables, then what
is pending. A table holds at least what was committed before it was read; messages from there on
are pending, come again after an import, and change nothing where the table has them already.
"""

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
import rocksdict
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from stream_app.delivery import group
from stream_app.delivery.consumer import standalone_consumer
from stream_app.delivery.ownership import CLAIM_KEY, token
from stream_app.delivery.snapshot import Contents, Entry, Header, Place, Places, Writer, writing
from stream_app.delivery.upstream import unpacking
from stream_app.messages.message import FILLER
from stream_app.messages.topics import BY_NAME, CONSUMED, TABLES, changelog, full_name
from stream_app.settings import Settings

Progress = Callable[[int], object]
"""Told how many records more have been read or written."""
_Kept = tuple[bytes | None, list[tuple[str, bytes | None]], int]
_kept = msgspec.msgpack.Decoder(_Kept)


async def export(
    settings: Settings, path: Path, topics: Sequence[str], progress: Progress
) -> Contents:
    """Write all tables, the `topics` (compacted ones, by short name), and what the group has not
    committed. Raises KafkaError, OSError, SnapshotError."""
    unpacking.install()
    names = [table.name for table in TABLES]
    header = Header(settings.app, settings.partitions, time.time(), names, list(topics))
    with writing(path, header) as file:
        begun = await begin(settings)
        async with standalone_consumer(settings) as consumer:
            for table in names:
                await _newest(consumer, settings, file, changelog(settings, table), table, progress)
            for topic in topics:
                name = full_name(settings, topic)
                await _newest(consumer, settings, file, name, topic, progress, begun.get(topic))
            places = await pending(consumer, settings, file, begun, progress)
        return Contents(header, file.end(places))


async def begin(settings: Settings) -> dict[str, dict[int, int]]:
    """Where the group's next message is, by topic and partition; where nothing was ever committed
    it begins with what is kept."""
    held = await group.committed(settings, group.sources(settings))
    async with standalone_consumer(settings) as consumer:
        kept = await consumer.beginning_offsets(list(held))
    firsts = {tp: kept[tp] if offset is None else offset for tp, offset in held.items()}
    return {
        topic: {tp.partition: firsts[tp] for tp in group.sources(settings, [topic])}
        for topic in CONSUMED
    }


async def records(
    consumer: AIOKafkaConsumer, tp: TopicPartition, first: int, end: int
) -> AsyncIterator[ConsumerRecord]:
    """The messages of a partition with offsets from `first` until before `end`."""
    consumer.assign([tp])
    kept = (await consumer.beginning_offsets([tp]))[tp]
    consumer.seek(tp, max(first, kept))
    # Compaction may have removed the last one: the position tells, not what was read.
    while await consumer.position(tp) < end:
        for found in (await consumer.getmany(timeout_ms=200)).values():
            for record in found:
                if record.offset < end:
                    yield record


async def _newest(
    consumer: AIOKafkaConsumer,
    settings: Settings,
    file: Writer,
    full: str,
    name: str,
    progress: Progress,
    until: dict[int, int] | None = None,
) -> None:
    """The newest record of each key, without those of workers that owned a table no more. `until`:
    by partition, messages from there on are pending and left out."""
    is_table = name not in BY_NAME
    for number in range(settings.partitions):
        tp = TopicPartition(full, number)
        end = (await consumer.end_offsets([tp]))[tp]
        if until is not None:
            end = min(end, until[number])
        # On disk, so that a table may be larger than memory; sorted, so that files compare.
        with tempfile.TemporaryDirectory(prefix="stream-app-") as folder:
            database = rocksdict.Rdict(folder, rocksdict.Options(raw_mode=True))
            highest = 0
            async for record in records(consumer, tp, 0, end):
                progress(1)
                key = record.key or b""
                if is_table:
                    its = token(record.headers)
                    if its < highest:
                        continue
                    highest = its
                if key in (CLAIM_KEY, FILLER):
                    continue
                if record.value is None:
                    database.delete(key)
                else:
                    kept = (record.value, record.headers, record.timestamp)
                    database.put(key, msgspec.msgpack.encode(kept))
            for key, packed in database.items():
                value, headers, timestamp = _kept.decode(packed)
                if is_table:
                    file.add(Entry("table", name, number, key, value))
                else:
                    file.add(Entry("topic", name, number, key, value, headers, timestamp))
            database.close()


async def pending(
    consumer: AIOKafkaConsumer,
    settings: Settings,
    file: Writer,
    begun: dict[str, dict[int, int]],
    progress: Progress,
) -> Places:
    """The messages that the group has not committed, and how far it was."""
    places: Places = {}
    for topic, firsts in begun.items():
        places[topic] = {}
        for number, first in firsts.items():
            tp = TopicPartition(full_name(settings, topic), number)
            end = max((await consumer.end_offsets([tp]))[tp], first)
            async for record in records(consumer, tp, first, end):
                progress(1)
                if record.key != FILLER:
                    value, headers = record.value, list(record.headers)
                    entry = Entry(
                        "pending", topic, number, record.key, value, headers,
                        max(record.timestamp, 0), record.offset,
                    )  # fmt: skip
                    file.add(entry)
            places[topic][number] = Place(first, end, await last(consumer, tp, end))
    return places


async def last(consumer: AIOKafkaConsumer, tp: TopicPartition, end: int) -> tuple[int, int] | None:
    """Offset and timestamp of the message just before `end`; None where it is not kept."""
    async for record in records(consumer, tp, end - 1, end):
        return record.offset, record.timestamp
    return None
