"""The model that answers, and its replacement between two batches."""

from collections.abc import Sequence
from typing import NamedTuple

from stream_app.inference.batching import Inference
from stream_app.inference.bundle import Bundle
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
        self.awaited = ""
        """What the first batch waits for; empty: nothing."""
        self.behind = ""
        """Why the newest announced bundle is not the one that serves; empty: it is."""

    @property
    def bundle(self) -> Bundle:
        """What serves now."""
        return self.current.inference.model.bundle

    @property
    def version(self) -> str:
        """Version of the bundle that serves now."""
        return self.current.inference.version

    @property
    def texts(self) -> list[str]:
        """All that a bundle reads before it serves."""
        described = [text for _, texts in self._descriptions for text in texts]
        return [*described, *(text for text, _ in self._examples)]

    def swap(self, bundle: Bundle) -> None:
        """Load a bundle aside, warm it, and let it serve from the next batch on.

        Raises BundleError where it does not load; what serves now goes on serving.
        """
        inference = Inference(self.current.inference.model.with_bundle(bundle))
        # Reading the topics' descriptions is the warm-up. The old threads end when the last batch
        # that holds the old model has ended.
        self.current = self._serving(inference)

    def _serving(self, inference: Inference) -> Serving:
        scorer = TopicScorer(self._descriptions, inference, examples=self._examples)
        return Serving(inference, scorer)
