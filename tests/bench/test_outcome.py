"""What counts as lost, repeated, renamed and differing."""

import pytest

from bench.peers.outcome import Outcome, Output, judge

REVIEWS = {(0, 0): "a", (0, 1): "b", (1, 0): "c"}
LABELS = {"a": "positive", "b": "negative", "c": "neutral"}
RIGHT = [
    Output((0, 0), "a", "positive"),
    Output((0, 1), "b", "negative"),
    Output((1, 0), "c", "neutral"),
]


def test_each_once_is_right() -> None:
    assert judge(REVIEWS, LABELS, RIGHT) == Outcome(0, 0, 0, 0)


def test_each_fault_is_counted_alone() -> None:
    assert judge(REVIEWS, LABELS, RIGHT[1:]) == Outcome(lost=1, repeated=0, renamed=0, differing=0)
    thrice = [*RIGHT, RIGHT[1], RIGHT[1], RIGHT[2]]
    assert judge(REVIEWS, LABELS, thrice) == Outcome(lost=0, repeated=3, renamed=0, differing=0)
    renamed = [*RIGHT, RIGHT[1]._replace(id="b-2")]
    assert judge(REVIEWS, LABELS, renamed) == Outcome(lost=0, repeated=1, renamed=1, differing=0)
    other = [RIGHT[0]._replace(sentiment="neutral"), *RIGHT[1:]]
    assert judge(REVIEWS, LABELS, other) == Outcome(lost=0, repeated=0, renamed=0, differing=1)


def test_two_reviews_of_one_id_are_two() -> None:
    """The second one's analysis is lost, not a repetition of the first's."""
    reviews = REVIEWS | {(1, 1): "a"}
    assert judge(reviews, LABELS, RIGHT).lost == 1
    both = [*RIGHT, Output((1, 1), "a", "positive")]
    assert judge(reviews, LABELS, both) == Outcome(0, 0, 0, 0)


def test_an_analysis_of_nothing_is_an_error() -> None:
    with pytest.raises(KeyError):
        judge(REVIEWS, LABELS, [Output((2, 0), "a", "positive")])
