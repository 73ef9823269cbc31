"""Faust's transport with the fetch wait as a setting, and without acks for skipped messages.

While partitions move, a Faust stream skips the messages that it still has queued, and acks them
unprocessed (`streams.py`, `skipped_value`): their offsets may be committed, and they are lost.
Only what the stream tracked, and so handed to the agent, counts as acked here.

Faust tells the broker to hold an empty fetch for 1.5 s. Apache Kafka answers earlier when data
comes; the embedded broker does not, so there the wait is the latency.
"""

from typing import Any

from faust.transport.drivers import aiokafka as driver


def transport_class(fetch_wait_ms: int) -> type[Any]:
    """A transport whose consumers wait `fetch_wait_ms`."""

    class Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
        def _create_worker_consumer(self, transport: Any) -> Any:
            consumer = super()._create_worker_consumer(transport)
            consumer._fetch_max_wait_ms = fetch_wait_ms
            return consumer

    class Consumer(driver.Consumer):  # type: ignore[misc]
        def ack(self, message: Any) -> bool:
            return bool(message.tracked and super().ack(message))

        def _new_consumer_thread(self) -> Any:
            return Thread(self, loop=self.loop, beacon=self.beacon)

    class Transport(driver.Transport):  # type: ignore[misc]
        pass

    Transport.Consumer = Consumer
    return Transport
