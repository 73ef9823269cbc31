"""What became of every review: lost, repeated, under which id, with which label."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Place = tuple[int, int]
"""Partition and offset of a review."""


class Output(NamedTuple):
    """One analysis as it was found."""

    place: Place
    id: str
    sentiment: str


class Outcome(NamedTuple):
    """Counts over all reviews of a run."""

    lost: int
    """Reviews without an analysis."""
    repeated: int
    """Analyses beyond the first of a review."""
    renamed: int
    """Analyses whose id is not their review's: a repeated one cannot be told from a new one."""
    differing: int
    """Analyses whose label is not the one our processor gives."""


def judge(
    reviews: Mapping[Place, str], labels: Mapping[str, str], outputs: Iterable[Output]
) -> Outcome:
    """`reviews`: the id by place of all that was sent; `labels`: the right label by id. An
    analysis of a place that was never sent raises KeyError."""
    outputs = list(outputs)
    times = Counter(output.place for output in outputs)
    return Outcome(
        lost=len(reviews.keys() - times.keys()),
        repeated=sum(count - 1 for count in times.values()),
        renamed=sum(output.id != reviews[output.place] for output in outputs),
        differing=sum(output.sentiment != labels[reviews[output.place]] for output in outputs),
    )
