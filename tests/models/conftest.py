"""The shipped bundle, opened once a session."""

from collections.abc import Iterator

import pytest

from models.batching import Inference
from models.bundle import default_bundle, load
from models.runtime import Model


@pytest.fixture(scope="session")
def shipped() -> Model:
    """The bundle that comes with the project."""
    return Model(load(default_bundle()))


@pytest.fixture(scope="session")
def inference(shipped: Model) -> Iterator[Inference]:
    """The shipped model behind its batching."""
    opened = Inference(shipped)
    yield opened
    opened.close()
