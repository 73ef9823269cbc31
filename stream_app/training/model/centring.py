"""What all embeddings share, and what only depends on their language, removed.

Mean-pooled vectors of unrelated texts have cosines around 0.8, and two Chinese texts are nearer
than a text and its own translation. Removing the mean, the direction from one language's mean to
the other's, and the strongest direction left (Mu and Viswanath, ICLR 2018) puts unrelated texts
near 0 and translations beside each other.

Fine-tuning for sentiment adds a direction from complaint to praise, nearly the same in both
languages. Sentiment has outputs of its own, so that direction is removed as well: a
topic's praise and its complaints stay together.
"""

import re

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
HAN = re.compile(r"[\u3400-\u9fff]")


def is_chinese(text: str) -> bool:
    """Whether the text holds a Han character."""
    return HAN.search(text) is not None


def shared_part(means: Floats, chinese: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(centre [hidden], orthonormal directions [k, hidden]) of mean vectors [n, hidden].

    Both languages count the same in the centre, however many rows they have; with one language
    only there is no language direction.
    """
    groups = [means[rows].astype(np.float64) for rows in (chinese, ~chinese) if rows.any()]
    centres = [group.mean(axis=0) for group in groups]
    centre = np.mean(centres, axis=0)
    directions = np.zeros((0, means.shape[1]))
    if len(centres) == 2:
        apart = centres[0] - centres[1]
        directions = (apart / np.linalg.norm(apart))[None, :]
    rest = np.concatenate([group - own for group, own in zip(groups, centres, strict=True)])
    rest -= rest @ directions.T @ directions
    strongest = np.linalg.svd(rest, full_matrices=False)[2][:1]
    directions = np.concatenate([directions, strongest])
    return centre.astype(np.float32), directions.astype(np.float32)


def polarity(
    means: Floats,
    labels: NDArray[np.int64],
    chinese: NDArray[np.bool_],
    centre: Floats,
    directions: Floats,
) -> Floats:
    """Orthonormal directions [0 to 2, hidden] from complaint to praise, one for each language.

    `labels` [n] are 0 (negative), 1, 2 (positive) of mean vectors [n, hidden]; what the vectors
    share, `centre` and `directions`, is removed first, so both sets are orthogonal.
    """
    own = means.astype(np.float64) - centre
    own -= own @ directions.T @ directions
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    apart = [
        own[group & (labels == 2)].mean(axis=0) - own[group & (labels == 0)].mean(axis=0)
        for group in (chinese, ~chinese)
        if (labels[group] == 0).any() and (labels[group] == 2).any()
    ]
    if not apart:
        return np.zeros((0, means.shape[1]), np.float32)
    return np.linalg.qr(np.stack(apart).T)[0].T.astype(np.float32)
