"""reviews → analyses, severe alerts, signals."""

from collections.abc import Awaitable, Callable

from stream_app.agents import Worker, register
from stream_app.delivery.shell import Shell


def add(worker: Worker, ready: Callable[[], Awaitable[None]] | None = None) -> None:
    """Register the agent: as many batches computed at once as the model has threads. It begins
    when `ready` returns."""
    shell = Shell(
        "analyse",
        worker.pipeline.analyse,
        worker.outbox,
        rows=worker.settings.batch_rows,
        size=worker.settings.batch_bytes,
        threads=worker.pipeline.live.current.inference.model.threads,
        ready=ready,
    )
    register(worker, shell, "reviews")
