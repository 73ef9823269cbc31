"""What this process counts, for Prometheus. Counted by the batch: a message costs no call here,
but for its latency."""

import time
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics

from stream_app.messages.message import Message, ingest_time
from stream_app.messages.topics import TOPICS
from stream_app.schemas.records import AlertKind

disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

RECEIVED = Counter("stream_app_received_messages", "Messages taken from a topic", ["topic"])
DEAD = Counter(
    "stream_app_dead_letters",
    "Messages sent to the dead letters, by where they came from, agent and class of error",
    ["topic", "stage", "error"],
)
MASKED = Counter("stream_app_masked", "Personal data masked", ["kind"])
ALERTS = Counter("stream_app_alerts", "Alerts sent, repeats included", ["kind"])
CACHED = Counter("stream_app_cached_texts", "Texts answered from the cache of identical texts")
TOKENS = Counter("stream_app_tokens", "Tokens that the model has read, padding left out")
PADDING = Counter("stream_app_padding_tokens", "Tokens that only fill sub-batches up")
MODEL = Info("stream_app_model", "The bundle that serves, and the execution provider")
REFUSED = Counter("stream_app_refused_models", "Announced bundles not taken, and why", ["reason"])
BEHIND = Gauge(
    "stream_app_model_behind", "1 where the newest announced bundle is not the one that serves"
)
LATE = Counter("stream_app_late_events", "Events later than the ring of windows reaches")
UNREADABLE = Counter(
    "stream_app_unreadable_messages",
    "Messages of the topics that every worker reads whole that were passed over",
    ["topic"],
)
SET_ASIDE = Counter(
    "stream_app_set_aside_records",
    "Records of a table that could not be used: to the dead letters, their keys begun anew",
    ["table"],
)
REPEATED = Counter("stream_app_repeated_events", "Events that were counted before")

ROWS = Histogram(
    "stream_app_batch_rows",
    "Messages of a batch",
    ["agent"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
BATCH_SECONDS = Histogram(
    "stream_app_batch_seconds",
    "Time that a batch takes to compute, and to deliver: until all is stored",
    ["agent", "stage"],
    buckets=SECONDS,
)
IN_FLIGHT = Gauge("stream_app_batches_in_flight", "Batches taken and not acked yet", ["agent"])
LATENCY = Histogram(
    "stream_app_latency_seconds",
    "From the timestamp of an input's message until what it leads to is stored",
    ["input", "output"],
    buckets=SECONDS,
)

# What never happened shall stand at 0: a rate needs the value before the first.
for _kind in get_args(AlertKind):
    ALERTS.labels(_kind)

_LATENCIES = {topic.name: LATENCY.labels(*topic.latency) for topic in TOPICS if topic.latency}
"""By the topic that is taken: an analysis counts from its review on."""


def inferred(cached: int, tokens: int, padding: int) -> None:
    """Count what the model has done for a batch."""
    CACHED.inc(cached)
    TOKENS.inc(tokens)
    PADDING.inc(padding)


class Meter:
    """What is measured of one agent's batches."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._rows = ROWS.labels(agent)
        self._flying = IN_FLIGHT.labels(agent)
        self.compute = BATCH_SECONDS.labels(agent, "compute")
        self.deliver = BATCH_SECONDS.labels(agent, "deliver")

    def consumes(self, *topics: str) -> None:
        """Let the counters of these topics begin at 0."""
        for topic in topics:
            RECEIVED.labels(topic)
            DEAD.labels(topic, self._agent, "Invalid")

    @contextmanager
    def flying(self, messages: Sequence[Message]) -> Iterator[None]:
        """A batch, from when it is taken until it is acked."""
        for topic, count in Tally(message.topic for message in messages).items():
            RECEIVED.labels(topic).inc(count)
        self._rows.observe(len(messages))
        with self._flying.track_inprogress():
            yield

    def stored(self, messages: Sequence[Message]) -> None:
        """All that a batch leads to is stored now."""
        now = time.time()
        for message in messages:
            latency = _LATENCIES.get(message.topic)
            # The clock of a producer may be ahead of ours.
            if latency is not None and (begun := ingest_time(message)) >= 0:
                latency.observe(max(now - begun, 0.0))
