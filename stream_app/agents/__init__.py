"""The agents: which topics feed which processor. The only room that knows Faust's streams."""

from dataclasses import dataclass, field
from typing import Any

import faust

from stream_app.delivery.broadcast import Broadcast
from stream_app.delivery.outbox import Outbox
from stream_app.delivery.shell import Shell
from stream_app.messages.topics import full_name
from stream_app.pipeline import Pipeline
from stream_app.settings import Settings


@dataclass(frozen=True, slots=True)
class Worker:
    """What the agents of one process share."""

    app: faust.App
    settings: Settings
    pipeline: Pipeline
    outbox: Outbox
    broadcasts: list[Broadcast] = field(default_factory=list)
    """The topics that it reads whole."""


def register(worker: Worker, shell: Shell, *topics: str) -> None:
    """Let a shell consume topics. Faust's agent has their partitions and the shell's life; the
    messages themselves come past its stream, which costs 0.1 ms for each."""
    names = [full_name(worker.settings, topic) for topic in topics]
    channel: Any = worker.app.topic(
        *names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    shell.meter.consumes(*topics)
    worker.app.transport.inboxes.update(dict.fromkeys(names, shell.inbox))

    async def live(stream: Any) -> None:
        await shell.run()

    worker.app.agent(channel, name=shell.name)(live)
