"""aiokafka without a framework: what is there is taken, computed in a thread, sent, committed."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.peers.job import Job, message
from stream_app import settings as settings_module
from stream_app.settings import Settings


async def serve(settings: Settings, job: Job) -> None:
    """One batch after the other, for ever."""
    consumer = AIOKafkaConsumer(
        job.reviews,
        bootstrap_servers=settings.broker,
        group_id=settings.app,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=int(1000 * settings.session_timeout),
        heartbeat_interval_ms=int(1000 * settings.session_timeout / 6),
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker, acks="all", linger_ms=settings.linger_ms
    )
    async with consumer, producer:
        while True:
            taken = await consumer.getmany(timeout_ms=1000, max_records=job.rows)
            messages = [
                message(r.partition, r.offset, r.key, r.value, r.timestamp / 1000)
                for records in taken.values()
                for r in records
            ]
            if not messages:
                continue
            analyses = await asyncio.to_thread(job, messages)
            sends = [await producer.send(job.analyses, a.value, key=a.key) for a in analyses]
            await asyncio.gather(*sends)
            await consumer.commit()


if __name__ == "__main__":
    given = settings_module.load()
    asyncio.run(serve(given, Job(given)))
