"""The shop's pipeline around the shipped bundle."""

from collections.abc import Iterator

import pytest

from stream_app import profiles
from stream_app.inference.batching import Inference
from stream_app.pipeline import Pipeline, assemble
from stream_app.settings import Settings


@pytest.fixture(scope="module")
def pipeline(inference: Inference) -> Iterator[Pipeline]:
    yield assemble(Settings(), profiles.load("shop"), inference)
