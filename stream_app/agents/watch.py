"""signals (and unmatched, for what emerges) → each subject's record, trends, surge alerts."""

from stream_app import schemas
from stream_app.agents import Worker, register
from stream_app.delivery.broadcast import Broadcast
from stream_app.delivery.shell import Shell
from stream_app.delivery.table import StateTable
from stream_app.schemas import Trend

GATHER = 0.5
"""Seconds; a subject of many reviews is written and told once. Nobody waits for a trend."""


def add(worker: Worker, unmatched: Broadcast) -> Broadcast:
    """Register the agent, which begins when `unmatched` has been read; the reader of its trends,
    from which popularity and neighbours come."""
    shell = Shell(
        "watch",
        worker.pipeline.watch,
        worker.outbox,
        rows=worker.settings.batch_rows,
        size=worker.settings.batch_bytes,
        table=StateTable(worker.app, worker.settings, worker.outbox, "subjects"),
        ready=unmatched.ready.wait,
        gather=GATHER,
    )
    register(worker, shell, "signals")
    pipeline = worker.pipeline

    def handle(key: bytes | None, value: bytes | None) -> None:
        if value is not None:
            pipeline.hybrid.put(schemas.decode(value, Trend))

    return Broadcast(worker.settings, "trends", handle)
