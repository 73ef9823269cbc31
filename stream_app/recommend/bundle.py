"""A recommender bundle: what was learnt from a log, as a folder in which every file has its hash.

`config.json`, `items.npy` (hashes of the ids, uint64 [items]), `factors.npy` and `own.npy` (each
item's factor, and its vector of the sequence model), `place.npy` and `project.npy` (from text
embedding to either), `gram.npy`, `sequence.onnx`, `metrics.json` and `README.md` (the card).
Nothing in it is executable or pickled.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from stream_app.inference.bundle import BundleError, fingerprint, verify, write_checksums
from stream_app.profiles.profile import check_weights

ARRAYS = {
    "items": "items", "factors": "factors", "item_vectors": "own", "place": "place",
    "project": "project", "gram": "gram",
}  # fmt: skip
"""Fields of a recommender, and the names of their files without `.npy`."""
GRAPH, CONFIG, METRICS, CARD = "sequence.onnx", "config.json", "metrics.json", "README.md"
FILES = (*(f"{name}.npy" for name in ARRAYS.values()), GRAPH, CONFIG, METRICS, CARD)
Positive = Annotated[float, Meta(gt=0)]
Weight = Annotated[float, Meta(ge=0)]


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """`config.json`: how the arrays are to be read, and what was learnt besides them."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    model: str
    """Version of the model bundle whose embeddings it was trained on."""
    weights: dict[str, Weight]
    """Each source's weight in the blend."""
    events: dict[str, float]
    """What each kind of event counts; the signs are those of a profile's weights."""
    half_life_days: Positive
    """Until an event counts half."""
    ridge: Positive
    alpha: Positive
    """Of the fold-in: the penalty of a factor, and the confidence of a liked item."""
    scale: Positive
    """Product of the sequence model's vectors that scores 1."""
    kinds: list[str]
    """Kinds of events in the order in which the graph numbers them."""

    def __post_init__(self) -> None:
        check_weights(self.events)


@dataclass(frozen=True)
class Recommender:
    """A verified bundle. `version` is the name and a short hash of its checksums."""

    config: Config
    version: str
    items: NDArray[np.uint64]
    """Hashes of the ids [items]."""
    factors: NDArray[np.float32]
    """[items, factors]"""
    place: NDArray[np.float32]
    """[dimensions, factors]: the factor of an item that was not in training."""
    gram: NDArray[np.float32]
    """[factors, factors]: the sum of all factors' outer products."""
    item_vectors: NDArray[np.float32]
    """[items, width], of the sequence model."""
    project: NDArray[np.float32]
    """[dimensions, width]"""
    graph: bytes


def write(path: Path, trained: Recommender, metrics: object, card: str) -> Recommender:
    """Write the folder and return it verified. Raises FileExistsError if it is there already."""
    path.mkdir(parents=True)
    for field, name in ARRAYS.items():
        np.save(path / f"{name}.npy", getattr(trained, field), allow_pickle=False)
    (path / GRAPH).write_bytes(trained.graph)
    for name, value in ((CONFIG, trained.config), (METRICS, metrics)):
        (path / name).write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))
    (path / CARD).write_text(card, encoding="utf-8")
    write_checksums(path)
    return load(path)


def load(path: Path) -> Recommender:
    """Verify every file of the folder and read it; raises BundleError."""
    verify(path, FILES)
    try:
        config = msgspec.json.decode((path / CONFIG).read_bytes(), type=Config)
        arrays = {
            field: np.load(path / f"{name}.npy", allow_pickle=False)
            for field, name in ARRAYS.items()
        }
    except (msgspec.DecodeError, ValueError) as error:
        raise BundleError(f"{path}: {error}") from error
    version = f"{config.name}-{fingerprint(path)[:8]}"
    return Recommender(config, version, graph=(path / GRAPH).read_bytes(), **arrays)
