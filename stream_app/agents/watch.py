"""signals → each subject's record, trends, surge alerts."""

from typing import Any

from stream_app import schemas
from stream_app.agents.description import Agent, Subscriber, Subscription
from stream_app.pipeline import Pipeline
from stream_app.schemas import Trend
from stream_app.subjects import record


def readable(pipeline: Pipeline, value: bytes) -> dict[str, Any]:
    """A subject's record with the surges that it shows."""
    decoded = record.decode(value)
    surges = pipeline.watch.surges(decoded)
    return {
        **record.readable(decoded),
        "open": [schemas.encode(s).decode() for s in surges if s.end is None],
    }


AGENT = Agent(
    "watch",
    lambda pipeline: pipeline.watch,
    # A subject of many reviews is written and told once. Nobody waits for a trend.
    gather=0.5,
    readable=readable,
)


def _open(pipeline: Pipeline) -> Subscriber:
    """Popularity, quality and neighbours come from the trends that all workers send."""

    def handle(key: bytes | None, value: bytes | None) -> None:
        if value is not None:
            pipeline.hybrid.put(schemas.decode(value, Trend))

    return Subscriber(handle)


SUBSCRIPTION = Subscription("trends", _open)
