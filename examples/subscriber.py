# Prints alerts as they come, each once: `python examples/subscriber.py 1` ends after the first.
# run: python examples/subscriber.py 1
# needs: a worker, and what examples/producer.py sends, at STREAM_APP_BROKER
"""What a reader of the outputs should do: ignore fields and kinds that it does not know, and drop
repeats by their id, for delivery is at least once."""

import asyncio
import json
import os
import sys

from aiokafka import AIOKafkaConsumer

BROKER = os.environ.get("STREAM_APP_BROKER", "127.0.0.1:9092")


async def main(most: int) -> None:
    """Print `most` alerts; 0: all that ever come."""
    consumer = AIOKafkaConsumer(
        "alerts", bootstrap_servers=BROKER, group_id="pager", auto_offset_reset="earliest"
    )
    known: set[str] = set()
    async with consumer:
        async for message in consumer:
            alert = json.loads(message.value)
            if alert["id"] in known:
                continue
            known.add(alert["id"])
            print(f"{alert['kind']} {alert['subject']}: {alert['reason']}", flush=True)
            if len(known) == most:
                return


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
