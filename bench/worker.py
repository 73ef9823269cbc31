"""A worker to measure: `python -m bench.worker analyse` has that agent alone, `all` is the product.

Settings come from `STREAM_APP_*` variables.
"""

import logging
import sys

from stream_app import settings as settings_module
from stream_app.agents import analyse
from stream_app.agents.worker import create_worker, serve
from stream_app.pipeline import build


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)
    settings = settings_module.load()
    pipeline = build(settings)
    if sys.argv[1] == "all":
        worker = create_worker(settings, pipeline)
    else:
        worker = create_worker(settings, pipeline, [analyse.AGENT], [])
    serve(worker.app, settings)


if __name__ == "__main__":
    main()
