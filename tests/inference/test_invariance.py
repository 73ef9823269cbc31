"""A text's outputs do not depend on what it is batched with, nor on its padding."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stream_app.inference.batching import Inference
from stream_app.inference.runtime import Model, Outputs
from stream_app.training.model.data import example_rows

# What is left after exact integer products: single float32 roundings of the pooling.
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Mixed Chinese and English, short and cut at the limit."""
    rng = random.Random(11)
    examples = [row.text for row in example_rows()]
    short = rng.sample(examples, 60)
    return short + ["。".join(rng.sample(examples, rng.randint(2, 14))) for _ in range(60)]


def difference(outputs: Outputs, reference: Outputs, rows: list[int]) -> float:
    """Largest absolute difference in any output."""
    return max(
        float(np.abs(outputs.probabilities - reference.probabilities[rows]).max()),
        float(np.abs(outputs.intensity - reference.intensity[rows]).max()),
        float(np.abs(outputs.embedding - reference.embedding[rows]).max()),
    )


@pytest.mark.slow
def test_random_batches_and_paddings_change_nothing(shipped: Model, texts: list[str]) -> None:
    encodings = shipped.encode(texts)
    alone = [shipped.infer([encoding]) for encoding in encodings]
    reference = Outputs(
        np.concatenate([o.probabilities for o in alone]),
        np.concatenate([o.intensity for o in alone]),
        np.concatenate([o.embedding for o in alone]),
    )
    rng = random.Random(12)
    for _ in range(3):
        order = rng.sample(range(len(texts)), len(texts))
        while order:
            rows = [order.pop() for _ in range(min(len(order), rng.choice([1, 2, 3, 7, 16, 32])))]
            outputs = shipped.infer([encodings[row] for row in rows])
            assert difference(outputs, reference, rows) <= TOLERANCE


def test_callers_at_once_get_what_one_gets(shipped: Model, texts: list[str]) -> None:
    single = Inference(shipped, workers=1, cache_size=0)
    reference = single.infer(texts)
    single.close()
    shared = Inference(shipped, workers=2, cache_size=64)
    rng = random.Random(13)
    parts = [rng.sample(range(len(texts)), 40) for _ in range(6)]
    with ThreadPoolExecutor(3) as callers:
        results = callers.map(lambda rows: shared.infer([texts[row] for row in rows]), parts)
        for rows, outputs in zip(parts, results, strict=True):
            assert not outputs.errors
            assert difference(outputs, reference, rows) <= TOLERANCE
    shared.close()


def test_embeddings_are_of_unit_length(shipped: Model, texts: list[str]) -> None:
    outputs = shipped.infer(shipped.encode(texts[:20]))
    assert np.allclose(np.linalg.norm(outputs.embedding, axis=1), 1, atol=1e-5)
    assert np.allclose(outputs.probabilities.sum(axis=1), 1, atol=1e-5)
