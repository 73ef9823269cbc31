"""The job that all contestants do: our analyse processor, its analyses alone.

A peer's file is what its framework needs around this one function. Each is a program with our
settings, `python -m bench.peers.NAME`, told by `STREAM_APP_*` variables: it reads `reviews` with
the group `app`, writes `analyses`, and keeps what its framework keeps in `data_dir`.
"""

from collections.abc import Sequence
from typing import Any

from stream_app.messages.message import Message, Record
from stream_app.messages.topics import full_name
from stream_app.pipeline import build
from stream_app.settings import Settings

TOPIC = "reviews"


class Job:
    """Raw messages to records: decoded, validated, cleaned, masked, understood, encoded."""

    def __init__(self, settings: Settings) -> None:
        self.reviews = full_name(settings, TOPIC)
        self.analyses = full_name(settings, "analyses")
        self.rows = settings.batch_rows
        self._analyse = build(settings).analyse

    def __call__(self, messages: Sequence[Message]) -> list[Record]:
        """One record a message, in order. Raises ValueError: no review of the load is bad."""
        records = self._analyse(messages, lambda partition, key: None).records
        analyses = [record for record in records if record.topic == "analyses"]
        if len(analyses) != len(messages):
            raise ValueError(f"{len(messages) - len(analyses)} reviews became dead letters")
        return analyses


def message(
    partition: int, offset: int, key: bytes | None, value: bytes | None, time: float
) -> Message:
    """A review as received; `time` in seconds."""
    return Message(TOPIC, partition, offset, key, value, (), time)


def librdkafka(settings: Settings) -> dict[str, Any]:
    """A producer's configuration with partitions and waits as ours has them."""
    return {"partitioner": "murmur2_random", "linger.ms": str(settings.linger_ms)}


def group(settings: Settings) -> dict[str, Any]:
    """A librdkafka consumer's configuration that notices a dead member as soon as ours does."""
    session = 1000 * settings.session_timeout
    return {
        "session.timeout.ms": str(int(session)),
        "heartbeat.interval.ms": str(int(session / 6)),
    }
