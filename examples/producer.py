# Sends an item, a behaviour and a review with a plain aiokafka producer.
# run: python examples/producer.py
# needs: a broker with topics, at STREAM_APP_BROKER
"""Any Kafka client will do that keys `behaviours` and `items` as shown here and partitions by
murmur2, as aiokafka and Kafka's own clients do by default."""

import asyncio
import json
import os

from aiokafka import AIOKafkaProducer

BROKER = os.environ.get("STREAM_APP_BROKER", "127.0.0.1:9092")
MESSAGES = (
    ("items", "p1", {"item_id": "p1", "title": "Power bank", "category": "phone"}),
    ("behaviours", "u1", {"user_id": "u1", "item_id": "p1", "kind": "purchase"}),
    (
        "reviews",
        "r1",
        {
            "review_id": "r1",
            "user_id": "u1",
            "item_id": "p1",
            "text": "It started smoking while charging and burnt my desk. Never again!",
            "stars": 1,
        },
    ),
)


async def main() -> None:
    """Send each message and wait until the broker has stored it."""
    async with AIOKafkaProducer(bootstrap_servers=BROKER, acks="all") as producer:
        for topic, key, value in MESSAGES:
            stored = await producer.send_and_wait(topic, json.dumps(value).encode(), key.encode())
            print(f"{topic}/{stored.partition}, offset {stored.offset}: {key}")


asyncio.run(main())
