"""What is sent is stored where the outbox says, in its order, whatever the sizes."""

import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.outbox import MAX_BATCH, Entry, Outbox
from stream_app.messages import topics
from stream_app.messages.message import Record
from stream_app.messages.topics import LARGE, full_name
from tests.kafka.workers import read_all, settings_for


async def test_offsets_are_those_of_the_changes_over_many_batches(kafka: KafkaCluster) -> None:
    settings = settings_for(kafka, "offsets")
    await administration.create(settings)
    name = topics.changelog(settings, "interests")
    # Several batches of each partition, one message that fills more than a batch alone.
    changes = [Entry(name, n % 4, b"k%d" % n, b"%d" % n * 200, ()) for n in range(4000)]
    changes[1000] = changes[1000]._replace(value=b"x" * 2 * MAX_BATCH)
    outbox = Outbox(settings)
    await outbox.start()
    # Two deliveries at once, as of two agents, do not mix up theirs.
    halves = (changes[:2500], changes[2500:])
    offsets = await asyncio.gather(*(outbox.append(half) for half in halves))
    await outbox.stop()
    stored = {(m.partition, m.offset): (m.key, m.value) for m in await read_all(settings, name)}
    assert len(stored) == len(changes)
    for half, told in zip(halves, offsets, strict=True):
        for change, offset in zip(half, told, strict=True):
            assert stored[change.partition, offset] == (change.key, change.value)
        for number in range(4):
            own = [o for c, o in zip(half, told, strict=True) if c.partition == number]
            assert own == sorted(own)


async def test_a_message_without_a_key_goes_anywhere_and_a_giant_is_an_error(
    kafka: KafkaCluster,
) -> None:
    settings = settings_for(kafka, "keyless")
    await administration.create(settings)
    outbox = Outbox(settings)
    await outbox.start()
    await outbox.deliver([Record("alerts", None, b"%d" % n) for n in range(64)])
    with pytest.raises(MessageSizeTooLargeError):
        await outbox.deliver([Record("alerts", b"key", b"x" * 2 * LARGE)])
    await outbox.stop()
    found = await read_all(settings, full_name(settings, "alerts"))
    assert sorted(int(m.value) for m in found) == list(range(64))
    assert {m.partition for m in found} == set(range(4))
