"""A worker whose model is ill: `FAULT=slow|failing|crashing`, `SEED=7`."""

import logging
import os
import random
import time

from stream_app.agents.worker import create_worker, serve
from stream_app.inference.measures import Floats, Ints
from stream_app.inference.runtime import Model
from stream_app.pipeline import build
from stream_app.settings import load

SECONDS = 1.5
"""How long a call takes on a slow one."""


def main() -> None:
    """Serve until SIGTERM, or until the model crashes."""
    logging.basicConfig(level=logging.INFO)
    settings = load()
    pipeline = build(settings)
    fault, draw = os.environ["FAULT"], random.Random(int(os.environ["SEED"]))
    sound = Model.run

    def run(self: Model, ids: Ints, mask: Ints) -> tuple[Floats, Floats]:
        if fault == "slow":
            time.sleep(SECONDS)
        elif fault == "failing" and draw.random() < 0.3:
            raise RuntimeError("the model fails")
        elif fault == "crashing" and draw.random() < 0.1:
            os.abort()
        return sound(self, ids, mask)

    Model.run = run  # type: ignore[method-assign]
    serve(create_worker(settings, pipeline).app, settings)


if __name__ == "__main__":
    main()
