"""A worker to measure: `python -m bench.worker analyse` has that agent alone, `all` is the product.

Settings come from `STREAM_APP_*` variables.
"""

import asyncio
import logging
import sys
from functools import partial

from stream_app import settings as settings_module
from stream_app.agents import Worker, analyse
from stream_app.agents.worker import create_app, create_worker, serve
from stream_app.delivery.outbox import Outbox
from stream_app.pipeline import build


async def close(outbox: Outbox) -> None:
    """Disconnect when the worker ends."""
    try:
        await asyncio.Event().wait()
    finally:
        await outbox.stop()


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)
    settings = settings_module.load()
    pipeline = build(settings)
    if sys.argv[1] == "all":
        worker = create_worker(settings, pipeline)
    else:
        worker = Worker(create_app(settings), settings, pipeline, Outbox(settings))
        analyse.add(worker)
        worker.app.task(partial(close, worker.outbox))
    serve(worker.app, settings)


if __name__ == "__main__":
    main()
