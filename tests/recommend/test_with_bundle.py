"""The pipeline with a recommender: refused where it does not fit."""

import json
import shutil
from pathlib import Path

import pytest

from stream_app.inference.bundle import BundleError, write_checksums
from stream_app.pipeline import build
from stream_app.recommend import bundle
from stream_app.settings import load

RECOMMENDER = Path(__file__).parent / "recommender"


def test_a_recommender_of_other_embeddings_is_refused() -> None:
    with pytest.raises(BundleError, match="8 dimensions, not 384: train it again"):
        build(load(recommender=str(RECOMMENDER)))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        build(load(recommender=str(tmp_path / "none")))


@pytest.mark.parametrize(("kind", "weight"), [("hide", 0.5), ("view", -0.5), ("wish", 1.0)])
def test_weights_that_contradict_their_kind_are_refused(
    tmp_path: Path, kind: str, weight: float
) -> None:
    folder = tmp_path / "recommender"
    shutil.copytree(RECOMMENDER, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"events": {kind: weight}}))
    write_checksums(folder)
    with pytest.raises(BundleError, match=f"weights: .*{kind}"):
        bundle.load(folder)
