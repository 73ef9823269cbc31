"""reviews → analyses, severe alerts, signals."""

from stream_app.agents import Worker, register
from stream_app.delivery.shell import Shell


def add(worker: Worker) -> None:
    """Register the agent: as many batches computed at once as the model has threads."""
    shell = Shell(
        "analyse",
        worker.pipeline.analyse,
        worker.outbox,
        prefix=worker.settings.prefix,
        rows=worker.settings.batch_rows,
        size=worker.settings.batch_bytes,
        threads=worker.pipeline.inference.model.threads,
    )
    register(worker, shell, "reviews")
