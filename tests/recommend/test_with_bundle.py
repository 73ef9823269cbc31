"""The pipeline with a recommender: refused where it does not fit."""

from pathlib import Path

import pytest

from stream_app.inference.bundle import BundleError
from stream_app.pipeline import build
from stream_app.settings import load

RECOMMENDER = Path(__file__).parent / "recommender"


def test_a_recommender_of_other_embeddings_is_refused() -> None:
    with pytest.raises(BundleError, match="8 dimensions, not 384: train it again"):
        build(load(recommender=str(RECOMMENDER)))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        build(load(recommender=str(tmp_path / "none")))
