"""A worker that finds what an earlier version, or a later one, has left on the broker."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer

from stream_app.broker import Broker
from stream_app.delivery import administration
from stream_app.delivery.ending import EXIT_FAILURE
from stream_app.delivery.ownership import CLAIM_KEY
from stream_app.delivery.sending import send_all
from stream_app.interests import record
from stream_app.messages import topics
from stream_app.messages.identity import partition
from stream_app.messages.message import Record
from stream_app.pipeline import build
from stream_app.settings import Settings
from stream_app.subjects import record as subject
from tests.kafka.verdict import interests_of, subjects_of, without_analyses
from tests.kafka.workers import WorkerProcess, drained, lag, read_all, settings_for, table, until
from tests.upgrades.kept import FILES, PARTITIONS, Kept, close, read, restarted

COMPACTED = ("item-vectors", "trends")


async def left(settings: Settings, kept: Kept) -> None:
    """Put onto the broker what the kept version had there: changelogs and compacted topics."""
    await administration.create(settings)
    told = [one for one in kept.outputs[False] if one.topic in COMPACTED]
    await send_all(settings, told, lambda _: None)
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker)
    async with producer:
        for name, values in kept.tables.items():
            for (number, key), value in values.items():
                topic = topics.changelog(settings, name)
                await producer.send_and_wait(topic, value, key, partition=number)


def inputs(kept: Kept) -> Sequence[Record]:
    return [*kept.inputs[False], *kept.inputs[True]]


async def test_a_worker_goes_on_from_what_the_oldest_version_left(
    any_broker: Broker, tmp_path: Path
) -> None:
    """All inputs come again; those that the kept version had applied change nothing."""
    kept = read(min(FILES, key=lambda path: read(path).versions["subjects"]))
    settings = settings_for(any_broker, "upgraded")
    assert settings.partitions == PARTITIONS
    await left(settings, kept)
    await send_all(settings, inputs(kept), lambda _: None)
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    try:
        await drained(settings, [worker], 90)
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    pipeline = build(settings)
    oracle = restarted(pipeline, kept)
    list(oracle.run(inputs(kept)))
    users = await table(settings, "interests")
    assert interests_of(users) == close(oracle.records("interests"))
    about = await table(settings, "subjects")
    found, expected = subjects_of(pipeline, about), oracle.records("subjects")
    without_analyses(found, expected)
    assert found == close(expected)
    # What is written is of this version.
    for values, version in ((users, record.VERSION), (about, subject.VERSION)):
        assert {msgspec.msgpack.decode(v, strict=False)[0] for v in values.values()} == {version}


async def test_a_record_of_a_later_version_ends_the_worker_and_stays(
    any_broker: Broker, tmp_path: Path
) -> None:
    settings = settings_for(any_broker, "downgraded")
    await administration.create(settings)
    later = msgspec.msgpack.encode([99, "whatever it holds", {"more": "fields"}])
    changelog = topics.changelog(settings, "interests")
    place = partition(b"u1", settings.partitions)
    async with AIOKafkaProducer(bootstrap_servers=settings.broker) as producer:
        await producer.send_and_wait(changelog, later, b"u1", partition=place)
    view = b'{"user_id": "u1", "item_id": "p1", "kind": "view", "time": 1700000000}'
    await send_all(settings, [Record("behaviours", b"u1", view)], lambda _: None)
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    try:

        async def ended() -> bool:
            return not worker.alive()

        await until(ended, 60, "the worker ends by itself")
    finally:
        worker.kill()
    assert worker.code() == EXIT_FAILURE
    last = worker.said().splitlines()[-1]
    assert "interests failed, the worker stops: the interests table holds a record of" in last
    assert "version 99, this worker reads 1 and 2: start the version of stream-app" in last
    # Nothing is lost or overwritten: the later version goes on where it stood.
    kept = [m.value for m in await read_all(settings, changelog) if m.key != CLAIM_KEY]
    assert kept == [later]
    assert await read_all(settings, settings.prefix + "dead-letters") == []
    assert await lag(settings) == 1
