"""A consumer without a group: what it reads is nobody's progress."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from stream_app.messages.topics import LARGE
from stream_app.settings import Settings, security


@asynccontextmanager
async def standalone_consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Connected, with no partition assigned yet. Raises KafkaError."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker,
        fetch_max_wait_ms=settings.fetch_wait_ms,
        max_partition_fetch_bytes=LARGE,
        **security(settings),
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
