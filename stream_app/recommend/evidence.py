"""Which event of a user's record is the reason for an item that is like it.

A reason must hold: without the event that it names, the item would score less.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.likes import Likes, calm

Number = TypeVar("Number", bound=np.generic)
MIN_LIKENESS = 0.15
"""Cosine under which an event is no reason for an item."""


class Evidence(NamedTuple):
    """For each item of each user's list [users, list]."""

    event: NDArray[np.int64]
    """Place, among the user's events, of the one that adds most to the item's score."""
    liked: NDArray[np.bool_]
    """Whether that event is a reason."""
    written: NDArray[np.bool_]
    """Whether what the user wrote is one."""


def evidence(
    likes: Sequence[Likes],
    rows: NDArray[np.int64],
    items: Catalogue,
    latest: int,
) -> Evidence:
    """The evidence for each listed item.

    `likes`: one entry a user; `rows` [users, list]: the listed items; `latest`: how many of the
    items liked last the score holds an item against. In the shapes, `events` and `liked` are the
    most that a user has, at least 1; shorter ones end in zeros.

    For example, three items have the vectors A (1, 0), B (0.8, 0.6) and C (0, 1). A user bought A
    with weight 2 and wrote a review with the vector (0, 0.5), so the interest is (2, 0.5). B and C
    are listed. The cosine of A and B is 0.8, so the purchase speaks for B with 0.8 * 2 = 1.6, and
    for C with 0. The products with the interest are 1.9 and 0.5. Without the purchase B falls from
    calm(1.9) = 0.275 to calm(0.3) = 0.057 and has no liked item near it any more: the purchase is
    a reason for B, and none for C. What was written adds 0.3 to B and 0.5 to C and is a reason for
    both.
    """
    everyone, listed = np.arange(len(likes))[:, None], np.arange(rows.shape[1])
    targets = items.vectors[rows]  # [users, list, dimensions]
    lengths = [len(one.rows) for one in likes]
    # The rows of the events' items [users, events].
    known = _padded(np.fromiter(chain(*(one.rows for one in likes)), np.int64), lengths)
    weights = np.concatenate([one.weights for one in likes])  # [all events of all users]
    likeness = items.vectors[known] @ targets.transpose(0, 2, 1)  # [users, events, list]

    # What was bought and then complained of is no reason for more of its kind.
    praised = np.fromiter(chain(*map(_praised, likes)), bool)  # [all events of all users]
    praise = _padded(np.where(praised, weights, np.float32(0)), lengths)  # [users, events]
    strength = np.where(likeness >= MIN_LIKENESS, likeness * praise[..., None], 0.0)
    best = strength.argmax(1)  # [users, list]
    strong = strength.max(1) > 0  # [users, list]

    written = np.stack([one.written for one in likes])  # [users, dimensions]
    interest = np.stack([one.interest for one in likes])  # [users, dimensions]
    # Both [users, list]: with the whole interest, and with what of it was written.
    product, of_written = np.moveaxis(targets @ np.stack([interest, written], 2), 2, 0)
    score = calm(product)  # [users, list]
    close = of_written > MIN_LIKENESS * np.linalg.norm(written, axis=1)[:, None]
    close &= calm(product - of_written) < score

    # The score without all events with the item of the strongest; one liked before moves up.
    row = known[everyone, best][:, None]  # [users, 1, list]
    same = known[..., None] == row  # [users, events, list]
    weight = np.where(same, _padded(weights, lengths)[..., None], 0.0).sum(1)  # [users, list]
    left = calm(product - weight * likeness[everyone, best, listed])  # [users, list]
    first = [[one.rows.index(liked) for liked in one.liked[: latest + 1]] for one in likes]
    counts = list(map(len, first))
    liked = _padded(np.fromiter(chain(*first), np.int64), counts)  # [users, liked]: events
    there = _padded(np.ones(sum(counts), bool), counts)[..., None]  # [users, liked, 1]
    near = likeness[everyone, liked]  # [users, liked, list]
    others = there & (known[everyone, liked][..., None] != row)  # [users, liked, list]
    holds = left + _nearest(near, others, latest) < score + _nearest(near, there, latest)
    return Evidence(best, strong & holds, close)


def _praised(one: Likes) -> Iterator[bool]:
    """Of each event: does it count for its item, and does the newest with that item do so too?"""
    liked = frozenset(one.liked)
    return (
        event.value > 0 and row in liked for event, row in zip(one.events, one.rows, strict=True)
    )


def _nearest(
    near: NDArray[np.float32], counted: NDArray[np.bool_], latest: int
) -> NDArray[np.float32]:
    """The highest of the first `latest` that are counted [users, liked, list], or 0."""
    counted = counted & (counted.cumsum(1) <= latest)
    highest: NDArray[np.float32] = np.where(counted, near, np.float32(0)).max(1)
    return np.maximum(highest, 0)


def _padded(flat: NDArray[Number], lengths: Sequence[int]) -> NDArray[Number]:
    """Lists of these lengths, one after the other in `flat`, as rows of one array that end in
    zeros; it has one column at least."""
    there = np.arange(max(1, *lengths)) < np.array(lengths)[:, None]
    padded = np.zeros(there.shape, flat.dtype)
    padded[there] = flat
    return padded
