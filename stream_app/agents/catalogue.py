"""items → item-vectors, which every worker reads back whole."""

from stream_app import schemas
from stream_app.agents import Worker, register
from stream_app.delivery.broadcast import Broadcast
from stream_app.delivery.shell import Shell
from stream_app.schemas import ItemVector


def add(worker: Worker) -> Broadcast:
    """Register the agent; the reader of its output."""
    shell = Shell(
        "catalogue",
        worker.pipeline.items,
        worker.outbox,
        rows=worker.settings.batch_rows,
        size=worker.settings.batch_bytes,
    )
    register(worker, shell, "items")
    catalogue = worker.pipeline.catalogue

    def handle(key: bytes | None, value: bytes | None) -> None:
        if value is not None:
            catalogue.put(schemas.decode(value, ItemVector))
        elif key is not None:
            catalogue.remove(key.decode(errors="replace"))
        if not vectors.ready.is_set():
            # Nobody scores yet, and a whole catalogue in waiting takes up more than one at rest.
            catalogue.refresh()

    vectors = Broadcast(worker.settings, "item-vectors", handle)
    return vectors
