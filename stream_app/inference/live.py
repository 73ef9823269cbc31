"""The model that answers, and its replacement between two batches."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stream_app.inference.batching import Inference
from stream_app.inference.bundle import BundleError, fingerprint, load, mismatch
from stream_app.inference.topics import Example, TopicScorer

Descriptions = Sequence[tuple[str, Sequence[str]]]
"""Topic id and its descriptions."""


class Serving(NamedTuple):
    """One model with what was computed by it. A batch takes it once, and so has one version."""

    inference: Inference
    topics: TopicScorer


class Live:
    """Holds what serves now. `current` may be read, and `swap` called, from any thread."""

    def __init__(
        self,
        inference: Inference,
        descriptions: Descriptions,
        examples: Sequence[Example] = (),
    ) -> None:
        self._descriptions = descriptions
        self._examples = examples
        self.current = self._serving(inference)

    @property
    def version(self) -> str:
        """Version of the bundle that serves now."""
        return self.current.inference.version

    def swap(self, path: Path, version: str, sha256: str) -> None:
        """Load a bundle aside, warm it, and let it serve from the next batch on.

        Raises BundleError where the folder is not the bundle of that version and fingerprint, or
        does not fit what serves now; that goes on serving.
        """
        bundle = load(path)
        if bundle.version != version or fingerprint(path) != sha256:
            raise BundleError(f"{path}: is not the announced {version}, but {bundle.version}")
        old = self.current.inference.model
        if (reason := mismatch(bundle.config, old.bundle.config)) is not None:
            raise BundleError(f"{path}: {reason}")
        inference = Inference(old.with_bundle(bundle))
        # Reading the topics' descriptions is the warm-up. The old threads end when the last batch
        # that holds the old model has ended.
        self.current = self._serving(inference)

    def _serving(self, inference: Inference) -> Serving:
        scorer = TopicScorer(self._descriptions, inference, examples=self._examples)
        return Serving(inference, scorer)
