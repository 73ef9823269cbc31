"""Which topics of a profile a text is about: learnt from examples, or near a description."""

from collections.abc import Collection, Sequence

import numpy as np

from stream_app.inference.batching import Inference
from stream_app.inference.measures import Floats
from stream_app.inference.topic_head import TopicHead
from stream_app.schemas import Topic

Example = tuple[str, Collection[str]]
"""A text and its topics; none: it is about nothing that the profile names."""


class TopicScorer:
    """Scores texts against topics that are described in words, in any language of the model.

    With examples, a head learnt from them and the descriptions scores: it measures better
    (`bench/topics.py`). Without, a topic's cosine is that of its nearest description, so a topic
    may be described from several sides; the bundle's calibration turns it into a score of 0 to 1.
    """

    def __init__(
        self,
        descriptions: Sequence[tuple[str, Sequence[str]]],
        inference: Inference,
        *,
        examples: Sequence[Example] = (),
        threshold: float = 0.5,
    ) -> None:
        """`descriptions`: topic id and its descriptions; below `threshold` a topic is not named.

        Raises ValueError where there are examples, but none of some topic.
        """
        self.ids = [topic for topic, _ in descriptions]
        self._threshold = threshold
        self._calibration = inference.model.bundle.config.topics
        flat = [text for _, texts in descriptions for text in texts]
        outputs = inference.infer([*flat, *(text for text, _ in examples)])
        for error in outputs.errors.values():
            raise error
        self.vectors = outputs.embedding[: len(flat)]
        """Of all descriptions, unit length [n, dimensions]."""
        self._head = None
        if examples:
            own = [[topic] for topic, texts in descriptions for _ in texts]
            topics = [*own, *(topics for _, topics in examples)]
            self._head = TopicHead.fit(self.ids, outputs.embedding, topics)
        sizes = [len(texts) for _, texts in descriptions]
        if not all(sizes):
            raise ValueError("every topic needs at least one description")
        self._starts = np.cumsum([0, *sizes[:-1]])

    def score(self, embeddings: Floats) -> Floats:
        """Scores [n, topics] of embeddings [n, dimensions]; a zero embedding scores zero."""
        if self._head is not None:
            return self._head.score(embeddings)
        cosines = np.maximum.reduceat(embeddings @ self.vectors.T, self._starts, axis=1)
        c = self._calibration
        scores = 1 / (1 + np.exp(-c.slope * (cosines.astype(np.float64) - c.middle)))
        scores[~embeddings.any(axis=1)] = 0
        result: Floats = scores.astype(np.float32)
        return result

    def topics(self, embeddings: Floats) -> list[list[Topic]]:
        """Topics over the threshold of each text, best first; none where nothing is near."""
        named = []
        for row in self.score(embeddings):
            order = sorted(range(len(self.ids)), key=lambda i: (-row[i], self.ids[i]))
            named.append(
                [Topic(self.ids[i], float(row[i])) for i in order if row[i] >= self._threshold]
            )
        return named
