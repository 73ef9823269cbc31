"""What all embeddings share, and what only tells their language, taken out.

Mean-pooled vectors of unrelated texts have cosines around 0.8, and two Chinese texts are nearer
than a text and its own translation. Removing the mean, the direction from one language's mean to
the other's, and the strongest direction left (Mu and Viswanath, ICLR 2018) puts unrelated texts
near 0 and translations beside each other.
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
