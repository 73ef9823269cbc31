"""Both workers restarted in turn under a steady load, as an upgrade does it."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.messages.message import Record
from stream_app.messages.vectors import unpack
from stream_app.pipeline import build
from stream_app.replay import Replay
from stream_app.settings import Settings
from tests.kafka.load import events, items
from tests.kafka.verdict import (
    accounted,
    differences,
    interests_of,
    subjects_of,
    without_analyses,
    without_busy,
)
from tests.kafka.workers import WorkerProcess, drained, lag, read_all, settings_for, table, until

AT_ONCE, PAUSE = 4, 0.25
"""Messages sent, and seconds until the next."""
ROUNDS = 2


async def members(settings: Settings) -> int:
    """How many workers the group consists of; 0 while partitions move."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups([settings.app])
        ((_, _, state, _, _, joined, *_),) = response.groups
        return len(joined) if state == "Stable" else 0
    except GroupCoordinatorNotAvailableError:
        return 0  # nobody has joined a group on this broker yet
    finally:
        await admin.close()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_rolling_restart_loses_and_doubles_nothing(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    settings = settings_for(kafka, "rolling")
    await administration.create(settings)
    catalogue, load = list(items()), events(2000, until=time.time())
    sent: list[Record] = []
    enough = asyncio.Event()
    await send_all(settings, catalogue, lambda _: None)

    async def steadily() -> None:
        while len(sent) < len(load) and not enough.is_set():
            some = load[len(sent) : len(sent) + AT_ONCE]
            await send_all(settings, some, lambda _: None)
            sent.extend(some)
            await asyncio.sleep(PAUSE)

    workers = [WorkerProcess(settings, tmp_path, name) for name in ("one", "two")]

    async def both() -> bool:
        assert all(worker.alive() for worker in workers), [w.said() for w in workers]
        return await members(settings) == 2

    async def kept_up() -> bool:
        return await both() and await lag(settings) < 20 * AT_ONCE

    sending = asyncio.create_task(steadily())
    try:
        for worker in workers:
            worker.start()
        await until(kept_up, 90, "both at work")
        before = len(sent)
        for worker in workers * ROUNDS:
            assert await asyncio.to_thread(worker.terminate) == 0
            worker.start()
            await until(kept_up, 60, "both at work again")
        assert not sending.done(), "the load ended before the restarts"
        during = len(sent) - before
        enough.set()
        await sending
        await drained(settings, workers, 60)
        assert [worker.terminate() for worker in workers] == [0, 0]
    finally:
        sending.cancel()
        for worker in workers:
            if worker.alive():
                worker.kill()
    assert during > 100
    assert await accounted(settings) == (len(sent), [])
    await assert_repeats_are_equal(settings)
    await assert_as_replayed(settings, catalogue, sent)


async def assert_repeats_are_equal(settings: Settings) -> None:
    """What an orderly stop left unconfirmed comes again: under the id it had, and the same."""
    for topic in ("analyses", "alerts"):
        first: dict[tuple[str, str], Any] = {}
        for message in await read_all(settings, settings.prefix + topic):
            value = json.loads(message.value)
            if "vector" in value:
                value["vector"] = unpack(value["vector"]).tolist()
            value.pop("evidence", None)  # a surge's grows with what comes late
            value.pop("reason", None)
            # A review that was sent twice has two analyses, which stand by their sources.
            known = first.setdefault((value["id"], str(value.get("source"))), value)
            assert differences(value, known) == []


async def assert_as_replayed(
    settings: Settings, catalogue: list[Record], load: list[Record]
) -> None:
    """Both tables are those of an uninterrupted run: every event counted, and once."""
    pipeline = build(settings)
    oracle = Replay(pipeline, settings.partitions)
    list(oracle.run([*catalogue, *load]))
    interests = interests_of(await table(settings, "interests"))
    assert differences(interests, oracle.records("interests")) == []
    subjects = subjects_of(pipeline, await table(settings, "subjects"))
    expected = oracle.records("subjects")
    without_busy(subjects, expected, load)
    without_analyses(subjects, expected)
    assert differences(subjects, expected) == []
    assert len(expected) > 40
