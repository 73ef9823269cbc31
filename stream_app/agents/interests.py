"""analyses and behaviours → the user's record, recommendations, signals."""

from typing import Any

from stream_app.agents.description import Agent
from stream_app.interests import record
from stream_app.pipeline import Pipeline


def _readable(pipeline: Pipeline, value: bytes) -> dict[str, Any]:
    return record.readable(record.decode(value))


AGENT = Agent("interests", lambda pipeline: pipeline.interests, readable=_readable)
