"""When the broker is asked to gather, and that it does."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.upstream import pace
from stream_app.delivery.upstream.pace import CLOSE, ENOUGH, GATHER_MS, Pace
from stream_app.messages import topics
from tests.kafka.workers import settings_for


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(pace, "monotonic", lambda: made.now)
    return made


def asked(fetcher: Any) -> tuple[int, int]:
    return fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms


@pytest.mark.parametrize(("patient", "busy"), [(500, GATHER_MS), (20, 20)])
def test_only_a_quick_succession_is_gathered(
    clock: SimpleNamespace, patient: int, busy: int
) -> None:
    fetcher = SimpleNamespace(_fetch_min_bytes=1, _fetch_max_wait_ms=patient)
    paced = Pace(SimpleNamespace(_fetcher=fetcher, _fetch_max_wait_ms=patient))
    for brought, later, expected in (
        (True, 0.0, (1, patient)),
        (True, CLOSE / 2, (ENOUGH, busy)),
        (True, CLOSE * 0.9, (ENOUGH, busy)),
        (True, CLOSE * 1.1, (1, patient)),
        (True, CLOSE / 2, (ENOUGH, busy)),
        (False, CLOSE / 2, (1, patient)),
    ):
        clock.now += later
        paced.observe(brought)
        assert asked(fetcher) == expected


async def test_a_steady_stream_takes_few_fetches(kafka: KafkaCluster) -> None:
    settings = settings_for(kafka, "paced")
    await administration.create(settings)
    name = topics.full_name(settings, "reviews")
    fetches = {paced: await _fetches(kafka.bootstrap, name, paced) for paced in (False, True)}
    assert fetches[True] < fetches[False] / 2


async def _fetches(broker: str, topic: str, paced: bool) -> int:
    """How many fetches 300 messages took that came every 5 ms."""
    producer = AIOKafkaProducer(bootstrap_servers=broker)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="latest")
    await producer.start()
    await consumer.start()
    count = 0
    fetch = consumer._fetcher._proc_fetch_request

    async def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return await fetch(*arguments)

    consumer._fetcher._proc_fetch_request = counted
    try:
        pacing = Pace(consumer)
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)

        async def send() -> None:
            begun = time.monotonic()
            for number in range(300):
                await asyncio.sleep(max(0.0, begun + 0.005 * number - time.monotonic()))
                await producer.send(topic, b"%d" % number)

        sending = asyncio.create_task(send())
        read = 0
        while read < 300:
            found = await asyncio.wait_for(consumer.getmany(timeout_ms=1000), 10)
            read += sum(map(len, found.values()))
            if paced:
                pacing.observe(bool(found))
        await sending
    finally:
        await consumer.stop()
        await producer.stop()
    return count
