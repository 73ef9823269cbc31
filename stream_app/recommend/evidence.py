"""What in a record speaks for an item that is like what the user liked. What is said must hold:
without its evidence the item scores less."""

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
    """Place of the event that speaks most for it."""
    liked: NDArray[np.bool_]
    """Whether that event is a reason."""
    written: NDArray[np.bool_]
    """Whether what the user wrote is one."""


def evidence(
    read: Sequence[Likes],
    rows: NDArray[np.int64],
    items: Catalogue,
    latest: int,
) -> Evidence:
    """`read`: the users' likes; `rows` [users, list]; `latest`: liked items that the score holds
    an item against."""
    everyone, listed = np.arange(len(read))[:, None], np.arange(rows.shape[1])
    targets = items.vectors[rows]
    lengths = [len(one.rows) for one in read]
    known = _padded(np.fromiter(chain(*(one.rows for one in read)), np.int64), lengths)
    weights = np.concatenate([one.weights for one in read])
    likeness = items.vectors[known] @ targets.transpose(0, 2, 1)  # [users, events, list]

    # What was bought and then complained of is no reason for more of its kind.
    praised = np.fromiter(chain(*map(_praised, read)), bool)
    praise = _padded(np.where(praised, weights, np.float32(0)), lengths)
    strength = np.where(likeness >= MIN_LIKENESS, likeness * praise[..., None], 0.0)
    best = strength.argmax(1)
    strong = strength.max(1) > 0

    written = np.stack([one.written for one in read])
    interest = np.stack([one.interest for one in read])
    product, own = np.moveaxis(targets @ np.stack([interest, written], 2), 2, 0)
    score = calm(product)
    close = own > MIN_LIKENESS * np.linalg.norm(written, axis=1)[:, None]
    close &= calm(product - own) < score

    # The score without all events with the item of the strongest; one liked before moves up.
    row = known[everyone, best][:, None]
    weight = np.where(known[..., None] == row, _padded(weights, lengths)[..., None], 0.0).sum(1)
    left = calm(product - weight * likeness[everyone, best, listed])
    first = [[one.rows.index(liked) for liked in one.liked[: latest + 1]] for one in read]
    likes = list(map(len, first))
    liked = _padded(np.fromiter(chain(*first), np.int64), likes)
    there = _padded(np.ones(sum(likes), bool), likes)[..., None]
    near = likeness[everyone, liked]
    others = there & (known[everyone, liked][..., None] != row)
    holds = left + _nearest(near, others, latest) < score + _nearest(near, there, latest)
    return Evidence(best, strong & holds, close)


def _praised(one: Likes) -> Iterator[bool]:
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
