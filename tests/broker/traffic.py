"""Messages through a broker over TCP, as the application's own client sends and reads them."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

SECONDS = 60


async def make_topic(
    bootstrap: str,
    topic: str,
    partitions: int = 2,
    copies: int = 1,
    configs: Mapping[str, str] | None = None,
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        new = NewTopic(topic, partitions, copies, topic_configs=dict(configs or {}))
        answer = await admin.create_topics([new])
        assert [error[1] for error in answer.topic_errors] == [0], answer
    finally:
        await admin.close()


async def send(bootstrap: str, topic: str, count: int, start: int = 0, **options: object) -> None:
    """Sends `count` keyed messages; returns when the broker has confirmed every one."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **options)
    async with asyncio.timeout(SECONDS), producer:
        sent = [
            await producer.send(topic, key=b"key-%d" % (n % 7), value=b"value-%d" % n)
            for n in range(start, start + count)
        ]
        await asyncio.gather(*sent)


async def read(
    bootstrap: str, topic: str, count: int, group: str | None = None, **options: object
) -> list[bytes]:
    """Values of the first `count` messages."""
    options |= {"bootstrap_servers": bootstrap, "auto_offset_reset": "earliest"}
    consumer = AIOKafkaConsumer(topic, group_id=group, session_timeout_ms=6000, **options)
    values: list[bytes] = []
    async with asyncio.timeout(SECONDS), consumer:
        while len(values) < count:
            batches: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=500)
            values += [record.value for batch in batches.values() for record in batch]
    return values


async def round_trip(bootstrap: str, topic: str, count: int = 1_000) -> None:
    """Sends `count` and reads them in a consumer group: all there, each once."""
    await make_topic(bootstrap, topic)
    await send(bootstrap, topic, count)
    values = await read(bootstrap, topic, count, group=f"{topic}-readers")
    assert sorted(values) == sorted(b"value-%d" % n for n in range(count))
