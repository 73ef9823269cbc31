"""A model that computes nothing: it waits, so that what is left of a worker is plumbing.

`python -m bench.waiting MS` is the whole worker around it, MS milliseconds a text. A model on a
machine of its own, or a GPU, leaves as much of the processor to the rest as this one does.
"""

import logging
import sys
import time
from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from stream_app import profiles
from stream_app import settings as settings_module
from stream_app.agents.worker import create_worker, serve
from stream_app.inference.batching import Inference
from stream_app.inference.bundle import default_bundle, load
from stream_app.inference.runtime import Model, Outputs
from stream_app.inference.tokens import Encoding
from stream_app.pipeline import assemble

ANSWERS = 4096
SEED = 4711


class Waiting(Model):
    """Tokenises as the bundle does, then sleeps `seconds` a text and answers what its tokens
    choose of fixed answers."""

    def __init__(self, seconds: float, threads: int | None) -> None:
        super().__init__(load(default_bundle()), threads)
        self.seconds = seconds
        rng = np.random.default_rng(SEED)
        vectors = rng.standard_normal((ANSWERS, self.dimensions), np.float32)
        self._embedding = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self._probabilities = rng.dirichlet(np.ones(len(self.labels)), ANSWERS).astype(np.float32)

    def infer(self, encodings: Sequence[Encoding]) -> Outputs:
        time.sleep(self.seconds * len(encodings))
        rows = [sum(encoding) % ANSWERS for encoding in encodings]
        probabilities = self._probabilities[rows]
        intensity = probabilities[:, self._positive] - probabilities[:, self._negative]
        return Outputs(probabilities, intensity, self._embedding[rows])


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)
    threadpool_limits(1, user_api="blas")
    settings = settings_module.load()
    model = Waiting(0.0, settings.threads or None)
    pipeline = assemble(settings, profiles.load(settings.profile), Inference(model))
    # The topics' descriptions have been read; from here on answers cost time.
    model.seconds = float(sys.argv[1]) / 1e3
    serve(create_worker(settings, pipeline).app, settings)


if __name__ == "__main__":
    main()
