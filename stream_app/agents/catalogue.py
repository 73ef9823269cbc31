"""items → item-vectors, which every worker reads back whole."""

from typing import Any

import msgspec

from stream_app import schemas
from stream_app.agents.description import Agent, Subscriber, Subscription
from stream_app.pipeline import Pipeline
from stream_app.schemas import ItemVector


def _readable(pipeline: Pipeline, value: bytes) -> dict[str, Any]:
    decoded = msgspec.json.decode(value)
    return decoded if isinstance(decoded, dict) else {"applied": decoded}


AGENT = Agent("catalogue", lambda pipeline: pipeline.items, readable=_readable)


def _open(pipeline: Pipeline) -> Subscriber:
    catalogue = pipeline.catalogue

    def handle(key: bytes | None, value: bytes | None) -> None:
        if value is not None:
            catalogue.put(schemas.decode(value, ItemVector))
        elif key is not None:
            catalogue.remove(key.decode(errors="replace"))

    # Nobody scores yet, and a whole catalogue in waiting takes up more than one at rest.
    return Subscriber(handle, restoring=catalogue.refresh)


SUBSCRIPTION = Subscription("item-vectors", _open)
