"""analyses and behaviours → the user's record, recommendations, signals."""

import asyncio
from collections.abc import Sequence

from stream_app.agents import Worker, register
from stream_app.delivery.broadcast import Broadcast
from stream_app.delivery.shell import Shell
from stream_app.delivery.table import StateTable


def add(worker: Worker, broadcasts: Sequence[Broadcast]) -> None:
    """Register the agent; it begins when the broadcasts have been read."""

    async def ready() -> None:
        await asyncio.gather(*(broadcast.ready.wait() for broadcast in broadcasts))

    shell = Shell(
        "interests",
        worker.pipeline.interests,
        worker.outbox,
        rows=worker.settings.batch_rows,
        size=worker.settings.batch_bytes,
        table=StateTable(worker.app, worker.settings, worker.outbox, "interests"),
        ready=ready,
    )
    register(worker, shell, "analyses", "behaviours")
