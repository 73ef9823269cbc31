"""Topics learnt from labelled examples, on the embedding.

Where a profile has examples, this measures better than nearness to descriptions (`bench/topics`).
One logistic regression a topic, so a text may have several topics or none.
"""

from collections.abc import Collection, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from stream_app.inference.measures import Floats

PENALTY = 0.1
"""Weight of |w|^2 / 2 against the summed log loss: as C = 10 of scikit-learn."""
POSITIVE = 3.0
"""Weight of a topic's own examples: they are few among those of all topics."""


class TopicHead:
    """Weights [topics, dimensions] and biases [topics] of the regressions."""

    def __init__(self, ids: Sequence[str], weights: Floats, biases: Floats) -> None:
        self.ids = list(ids)
        self._weights = weights
        self._biases = biases

    @classmethod
    def fit(
        cls, ids: Sequence[str], embeddings: Floats, topics: Sequence[Collection[str]]
    ) -> "TopicHead":
        """The head of examples: embeddings [n, dimensions] and the topics of each, if any.

        Raises ValueError where a topic has no example or a name is no topic.
        """
        used = {topic for each in topics for topic in each}
        if unknown := used - set(ids):
            raise ValueError(f"no such topic: {', '.join(sorted(unknown))}")
        if missing := set(ids) - used:
            raise ValueError(f"no example of {', '.join(sorted(missing))}")
        inputs = embeddings.astype(np.float64)
        signs = np.where(np.array([[i in each for i in ids] for each in topics]), 1.0, -1.0)
        weights = np.where(signs > 0, POSITIVE, 1.0)
        shape = (inputs.shape[1] + 1, len(ids))

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            parameters = flat.reshape(shape)
            margins = signs * (inputs @ parameters[:-1] + parameters[-1])
            slopes = -signs * expit(-margins) * weights
            gradient = np.vstack([
                inputs.T @ slopes + PENALTY * parameters[:-1], slopes.sum(axis=0)
            ])  # fmt: skip
            value = (np.logaddexp(0, -margins) * weights).sum()
            value += PENALTY / 2 * (parameters[:-1] ** 2).sum()
            return float(value), gradient.ravel()

        start = np.zeros(shape).ravel()
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
        fitted = found.x.reshape(shape).astype(np.float32)
        return cls(ids, fitted[:-1].T, fitted[-1])

    def score(self, embeddings: Floats) -> Floats:
        """Probability of each topic, [n, topics]; a zero embedding scores zero."""
        scores: Floats = expit(embeddings @ self._weights.T + self._biases).astype(np.float32)
        scores[~embeddings.any(axis=1)] = 0
        return scores
