"""Places in a full ranking, and what is made of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_app.training.recommender.measures import TOP, Ranks, rank, summary


@given(
    scores=st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    known=st.sets(st.integers(0, 39)),
    target=st.integers(0, 39),
)
def test_a_place_is_that_in_the_sorted_list_of_unknown_items(
    scores: list[int], known: set[int], target: int
) -> None:
    target %= len(scores)
    known = {k for k in known if k < len(scores)}
    candidates = [i for i in range(len(scores)) if i not in known or i == target]
    ordered = sorted(candidates, key=lambda i: (-scores[i], i))
    place, shown = rank(np.array(scores, np.float32), target, np.array(sorted(known), np.int64))
    assert place == ordered.index(target)
    assert shown == ordered[:TOP]


def test_measures_of_three_targets() -> None:
    ranks = Ranks()
    ranks.add(0, [0, 1], user=1, cold_item=False, cold_user=False)
    ranks.add(2, [0, 2], user=1, cold_item=True, cold_user=False)
    ranks.add(TOP, [0, 1], user=2, cold_item=False, cold_user=True)
    figures = summary(ranks, np.array([5.0, 1.0, 0.0, 0.0]))
    assert figures["hr@10"] == 0.6667
    assert figures["ndcg@10"] == 0.5
    assert figures["mrr"] == round((1 + 1 / 3 + 1 / 11) / 3, 4)
    assert figures["coverage"] == 0.75
    assert figures["cold_items"] == {"targets": 1, "hr@10": 1.0, "ndcg@10": 0.5, "mrr": 0.3333}
    assert figures["cold_users"]["hr@10"] == 0.0  # type: ignore[index]
    shares = np.array([6, 2, 1, 1]) / 10
    assert figures["novelty"] == round(float(-np.log2(shares) @ [3, 2, 1, 0]) / 6, 2)
    low, high = figures["intervals"]["hr@10"]  # type: ignore[index]
    assert (low, high) == (0.0, 1.0), "two users: samples of one of them alone occur"
