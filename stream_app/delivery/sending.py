"""Producing a file's messages, counted when the broker has confirmed them."""

import asyncio
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaProducer

from stream_app.delivery.outbox import MAX_REQUEST
from stream_app.messages.message import Record
from stream_app.messages.topics import full_name
from stream_app.settings import Settings, security

IN_FLIGHT = 1000


async def send_all(
    settings: Settings, messages: Iterable[Record], progress: Callable[[int], object]
) -> int:
    """Send everything in order; how many were confirmed. Raises KafkaError."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker,
        acks="all",
        enable_idempotence=settings.idempotent,
        linger_ms=20,
        max_request_size=MAX_REQUEST,
        **security(settings),
    )
    await producer.start()
    delivered = 0
    pending: list[asyncio.Future[object]] = []

    async def confirm() -> int:
        await asyncio.gather(*pending)
        progress(len(pending))
        count = len(pending)
        pending.clear()
        return count

    try:
        for message in messages:
            topic = full_name(settings, message.topic)
            pending.append(await producer.send(topic, message.value, key=message.key))
            if len(pending) >= IN_FLIGHT:
                delivered += await confirm()
        return delivered + await confirm()
    finally:
        await producer.stop()
