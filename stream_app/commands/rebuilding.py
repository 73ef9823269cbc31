"""The tables computed anew from what the input topics keep, as a snapshot that can be imported."""

import time
from collections.abc import Sequence
from pathlib import Path

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from stream_app.delivery import administration, group
from stream_app.delivery.consumer import standalone_consumer
from stream_app.delivery.export import Progress, begin, pending
from stream_app.delivery.snapshot import Contents, Entry, Header, writing
from stream_app.delivery.upstream import unpacking
from stream_app.messages.message import FILLER, Message
from stream_app.messages.topics import INPUTS
from stream_app.pipeline import build
from stream_app.replay import BATCH, Replay
from stream_app.settings import Settings


async def rebuild(settings: Settings, path: Path, progress: Progress) -> Contents:
    """Replay the inputs from the first to the last message that is kept, with the partitions and
    offsets that they have there. Raises GroupError, TopicsError, KafkaError, BundleError, OSError.

    What goes with the tables is what the group has committed, or the beginning where it never has:
    messages from there on come again and change nothing, and what they lead to is sent again.
    """
    unpacking.install()
    await administration.check(settings)
    await group.require_empty(settings)
    begun = await begin(settings)
    replay = Replay(build(settings), settings.partitions)
    header = Header(
        settings.app, settings.partitions, time.time(), sorted(replay.states), [], "replay"
    )
    async with standalone_consumer(settings) as consumer:
        await _replay(consumer, settings, replay, progress)
        with writing(path, header) as file:
            for table in header.tables:
                # As in an export: sorted by partition and key.
                for (number, key), value in sorted(replay.states[table].items()):
                    file.add(Entry("table", table, number, key, value))
            places = await pending(consumer, settings, file, begun, progress)
            return Contents(header, file.end(places))


async def _replay(
    consumer: AIOKafkaConsumer, settings: Settings, replay: Replay, progress: Progress
) -> None:
    """All partitions of all inputs side by side, so that what came together is read together."""
    partitions = group.sources(settings, INPUTS)
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
        found = await consumer.getmany(timeout_ms=settings.fetch_wait_ms, max_records=BATCH)
        taken = [
            _message(settings, record)
            for tp, records in found.items()
            for record in records
            if record.offset < ends[tp] and record.key != FILLER
        ]
        _exhaust(replay, taken)
        progress(len(taken))


def _exhaust(replay: Replay, messages: Sequence[Message]) -> None:
    """Only the tables count: what would have been sent has been, or comes again."""
    for _ in replay.take(messages):
        pass


def _message(settings: Settings, record: ConsumerRecord) -> Message:
    return Message(
        record.topic.removeprefix(settings.prefix), record.partition, record.offset,
        record.key, record.value, tuple(record.headers), record.timestamp / 1000,
    )  # fmt: skip
