"""Average linkage of groups of unit vectors, from their means alone.

The inner product of two groups' means is the average cosine between their members.
"""

from collections.abc import Sequence

import numpy as np

from stream_app.inference.measures import Floats


def cosines(means: Floats) -> Floats:
    """Average cosine between groups [n, n] of their means [n, dimensions]; none with itself."""
    result: Floats = means @ means.T
    np.fill_diagonal(result, -np.inf)
    return result


def closest(pairs: Floats) -> tuple[int, int, float]:
    """The pair of groups most alike in `cosines`, the lower one first, and their cosine."""
    a, b = divmod(int(pairs.argmax()), len(pairs))
    return a, b, float(pairs[a, b])


def link(means: Floats, weights: Sequence[float], least: float) -> list[list[int]]:
    """Rows of [n, dimensions] that belong together, by joining the closest two in turn.

    Ends where no two groups have an average cosine of `least`.
    """
    means, sums = means.copy(), list(weights)
    groups = [[row] for row in range(len(means))]
    pairs = cosines(means)
    for _ in range(len(groups) - 1):
        a, b, cosine = closest(pairs)
        if cosine < least:
            break
        share = sums[a] / (sums[a] + sums[b])
        means[a] = share * means[a] + (1 - share) * means[b]
        sums[a] += sums[b]
        groups[a] += groups[b]
        groups[b] = []
        gone = np.isneginf(pairs[a])
        gone[b] = True
        pairs[a] = pairs[:, a] = np.where(gone, -np.inf, means @ means[a])
        pairs[b] = pairs[:, b] = -np.inf
    return [group for group in groups if group]
