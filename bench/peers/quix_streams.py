"""Quix Streams: a sink gathers what a checkpoint covers and writes it when the checkpoint commits.

Of its means to batch this is the one without a state store: a window that collects would write
every review to a changelog first.
"""

from typing import Any

from confluent_kafka import Producer
from quixstreams import Application
from quixstreams.sinks.base import BaseSink

from bench.peers.job import Job, group, librdkafka, message
from stream_app import settings as settings_module
from stream_app.messages.message import Message
from stream_app.settings import Settings

INTERVAL = 0.05
"""Seconds after which a checkpoint that is not full is committed."""


class Analyses(BaseSink):  # type: ignore[misc]
    """Reviews until the checkpoint, then their analyses; offsets are committed after `flush`."""

    def __init__(self, settings: Settings, job: Job) -> None:
        super().__init__()
        self._job = job
        self._messages: list[Message] = []
        self._producer = Producer({"bootstrap.servers": settings.broker} | librdkafka(settings))

    def add(
        self,
        value: Any,
        key: Any,
        timestamp: int,
        headers: Any,
        topic: str,
        partition: int,
        offset: int,
    ) -> None:
        self._messages.append(message(partition, offset, key, value, timestamp / 1000))

    def flush(self) -> None:
        messages, self._messages = self._messages, []
        failed: list[Any] = []

        def delivered(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error)

        for analysis in self._job(messages):
            self._producer.produce(
                self._job.analyses, analysis.value, analysis.key, on_delivery=delivered
            )
            self._producer.poll(0)
        if self._producer.flush(30) or failed:
            raise RuntimeError(f"analyses not stored: {failed[:1]}")

    def on_paused(self) -> None:
        self._messages.clear()


def main() -> None:
    """Serve until SIGTERM."""
    settings = settings_module.load()
    job = Job(settings)
    app = Application(
        broker_address=settings.broker,
        consumer_group=settings.app,
        auto_offset_reset="earliest",
        commit_every=job.rows,
        commit_interval=INTERVAL,
        consumer_poll_timeout=INTERVAL,
        consumer_extra_config=group(settings),
        state_dir=settings.data_dir,
        auto_create_topics=False,
        loglevel="WARNING",
    )
    reviews = app.topic(job.reviews, value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(reviews).sink(Analyses(settings, job))
    app.run()


if __name__ == "__main__":
    main()
