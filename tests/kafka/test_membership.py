"""Workers with names keep their partitions over a restart, and no two have the same name."""

import asyncio
import time
from functools import partial
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupCoordinatorNotAvailableError

from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.ending import EXIT_FAILURE
from stream_app.delivery.sending import send_all
from stream_app.messages.message import Record
from stream_app.settings import Settings, SettingsError, load
from tests.kafka.load import events, items
from tests.kafka.test_rolling import assert_as_replayed, assert_repeats_are_equal
from tests.kafka.verdict import accounted
from tests.kafka.workers import WorkerProcess, drained, lag, settings_for, until

NAMES = ("one", "two", "three")
Held = dict[str, frozenset[tuple[str, int]]]
"""Topics and partitions by who has them."""


async def members(settings: Settings) -> Held:
    """By member id; empty while partitions move."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups([settings.app])
    except GroupCoordinatorNotAvailableError:
        return {}  # nobody has joined a group on this broker yet
    finally:
        await admin.close()
    ((_, _, state, _, _, joined, *_),) = response.groups
    if state != "Stable":
        return {}
    given = {m[0]: ConsumerProtocolMemberAssignment.decode(m[-1]).assignment for m in joined}
    return {
        member: frozenset((topic, number) for topic, numbers in assignment for number in numbers)
        for member, assignment in given.items()
    }


def by_name(held: Held) -> Held:
    """The broker makes a member's id of its name and a UUID, a new one whenever it joins."""
    return {member[:-37]: given for member, given in held.items()}


def named(settings: Settings, folder: Path, name: str, data: str = "") -> WorkerProcess:
    own = msgspec.structs.replace(settings, instance=name)
    return WorkerProcess(own, folder, data or name)


@pytest.mark.slow
@pytest.mark.timeout(480)
async def test_a_rolling_restart_of_named_workers_moves_no_partition(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(
        settings_for(kafka, "named"), session_timeout=90.0, partitions=6
    )
    await administration.create(settings)
    catalogue, load = list(items()), events(1500, until=time.time())
    sent: list[Record] = []
    seen: list[Held] = []
    enough = asyncio.Event()
    await send_all(settings, catalogue, lambda _: None)

    async def steadily() -> None:
        while len(sent) < len(load) and not enough.is_set():
            some = load[len(sent) : len(sent) + 2]
            await send_all(settings, some, lambda _: None)
            sent.extend(some)
            await asyncio.sleep(0.25)

    async def watch() -> None:
        while not enough.is_set():
            now = by_name(await members(settings))
            if now and (not seen or now != seen[-1]):
                seen.append(now)
            await asyncio.sleep(0.1)

    workers = [named(settings, tmp_path, name) for name in NAMES]

    async def kept_up(left: str = "") -> bool:
        assert all(worker.alive() for worker in workers), [w.said() for w in workers]
        now = await members(settings)
        back = by_name(now).keys() == set(NAMES) and left not in now
        return back and await lag(settings) < 80

    sending = asyncio.create_task(steadily())
    try:
        for worker in workers:
            worker.start()
        await until(kept_up, 120, "all at work")
        watching = asyncio.create_task(watch())
        for name, worker in zip(NAMES, workers, strict=True):
            (left,) = (member for member in await members(settings) if member[:-37] == name)
            assert await asyncio.to_thread(worker.terminate) == 0
            worker.start()
            await until(partial(kept_up, left), 90, "all at work again")
        enough.set()
        await asyncio.gather(sending, watching)
        await drained(settings, workers, 100)
        assert [worker.terminate() for worker in workers] == [0, 0, 0]
    finally:
        sending.cancel()
        for worker in workers:
            if worker.alive():
                worker.kill()
    assert len(seen) == 1, "partitions moved"
    assert await accounted(settings) == (len(sent), [])
    await assert_repeats_are_equal(settings)
    await assert_as_replayed(settings, catalogue, sent)


@pytest.mark.timeout(120)
async def test_of_two_workers_with_one_name_the_older_ends(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    """Both would take the place from each other for ever."""
    settings = settings_for(kafka, "namesakes")
    await administration.create(settings)
    older, newer = (named(settings, tmp_path, "same", data) for data in ("older", "newer"))

    async def joined() -> bool:
        return by_name(await members(settings)).keys() == {"same"}

    async def ended() -> bool:
        return not older.alive()

    try:
        older.start()
        await until(joined, 60, "the older has joined")
        newer.start()
        await until(ended, 60, "the older has ended")
        assert older.code() == EXIT_FAILURE
        assert "another worker has joined as instance same" in older.said()
        assert newer.alive()
    finally:
        for worker in (older, newer):
            if worker.alive():
                worker.kill()


@pytest.mark.parametrize("name", ["two words", "a/b", "x" * 201])
def test_a_name_that_the_broker_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="instance"):
        load(environ={}, instance=name)
