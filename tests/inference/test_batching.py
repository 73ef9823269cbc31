from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.inference.batching import Cache, Inference, Result, plan
from stream_app.inference.runtime import Model, Outputs
from stream_app.inference.tokens import Encoding, cut_middle

LENGTHS = st.lists(st.integers(2, 600), max_size=200)


@given(LENGTHS, st.integers(1, 40), st.integers(1, 2000))
def test_every_row_once_and_within_bounds(lengths: list[int], rows: int, budget: int) -> None:
    batches = plan(lengths, max_rows=rows, token_budget=budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 8), st.integers(1, 200),
    st.integers(0, 40),
)  # fmt: skip
def test_no_other_cut_of_the_sorted_rows_costs_less(
    lengths: list[int], rows: int, budget: int, call: int
) -> None:
    def cost(batches: list[list[int]]) -> int:
        """Of lengths, shortest first."""
        return sum(len(batch) * batch[-1] + call for batch in batches)

    def allowed(batch: list[int]) -> bool:
        return len(batch) == 1 or (len(batch) <= rows and len(batch) * batch[-1] <= budget)

    own = plan(lengths, max_rows=rows, token_budget=budget, call=call)
    ordered = sorted(lengths)
    others = []
    for count in range(len(ordered)):
        for cuts in combinations(range(1, len(ordered)), count):
            ends = [0, *cuts, len(ordered)]
            cut = [ordered[begin:end] for begin, end in pairwise(ends)]
            if all(map(allowed, cut)):
                others.append(cost(cut))
    assert cost([[lengths[row] for row in batch] for batch in own]) == min(others)


@given(st.lists(st.integers(0, 9999), max_size=300), st.integers(8, 64))
def test_cutting_keeps_both_ends(ids: list[int], limit: int) -> None:
    cut = cut_middle(ids, limit)
    assert len(cut) == min(len(ids), limit)
    assert cut[:1] == ids[:1] and cut[-1:] == ids[-1:]


def test_cutting_keeps_three_quarters_before_and_one_after() -> None:
    assert cut_middle(list(range(100)), 8) == [0, 1, 2, 3, 4, 5, 98, 99]


class Fake(Model):
    """Embeds a text as its length; fails on a batch that holds a marked one."""

    def __init__(self) -> None:
        self.version = "fake"
        self.labels = ("negative", "neutral", "positive")
        self.dimensions = 1
        self.threads = 2
        self.provider = "CPUExecutionProvider"
        self.seen: list[int] = []

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        if any("unreadable" in text for text in texts):
            raise UnicodeError("cannot be encoded")
        return [[ord(c) for c in text] for text in texts]

    def infer(self, encodings: Sequence[Encoding]) -> Outputs:
        if any(ord("!") in encoding for encoding in encodings):
            raise RuntimeError("poisoned")
        self.seen.append(len(encodings))
        n = len(encodings)
        sizes = np.array([[len(e)] for e in encodings], np.float32)
        return Outputs(np.full((n, 3), 1 / 3, np.float32), np.zeros(n, np.float32), sizes)


@pytest.fixture
def fake() -> Iterator[Inference]:
    opened = Inference(Fake(), cache_size=16)
    yield opened
    opened.close()


def test_order_is_kept_whatever_the_lengths(fake: Inference) -> None:
    texts = ["x" * n for n in (5, 300, 2, 40, 41, 39, 7)]
    assert fake.infer(texts).embedding[:, 0].tolist() == [5, 300, 2, 40, 41, 39, 7]


def test_no_texts_give_no_rows(fake: Inference) -> None:
    assert fake.infer([]).probabilities.shape == (0, 3)


def test_a_failing_row_fails_alone(fake: Inference) -> None:
    texts = [f"text number {n}" for n in range(10)]
    texts[3] = "text poison!"
    texts[7] = "unreadable x"
    outputs = fake.infer(texts)
    assert {row: type(e) for row, e in outputs.errors.items()} == {3: RuntimeError, 7: UnicodeError}
    assert [row for row in range(10) if outputs.embedding[row, 0] == 0] == [3, 7]


def test_failures_are_not_remembered(fake: Inference) -> None:
    fake.infer(["poison!", "fine"])
    assert len(fake.cache) == 1


def test_identical_texts_are_inferred_once() -> None:
    model = Fake()
    opened = Inference(model)
    outputs = opened.infer(["same", "same", "other", "same"])
    opened.infer(["other"])
    opened.close()
    assert sum(model.seen) == 2
    assert outputs.embedding[:, 0].tolist() == [4, 4, 5, 4]


def test_the_cache_is_bounded_and_keeps_what_was_used_last() -> None:
    cache = Cache(2)
    result = Result(np.zeros(3, np.float32), 0.0, np.zeros(1, np.float32))
    cache.put("a", result)
    cache.put("b", result)
    assert cache.get("a") is result
    cache.put("c", result)
    assert len(cache) == 2
    assert cache.get("b") is None and cache.get("a") is result


def test_the_cache_is_bounded_under_threads(fake: Inference) -> None:
    def call(start: int) -> None:
        for n in range(50):
            fake.infer([f"{start}-{n}", f"{n}", "x" * (n + 1)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(4)))
    assert len(fake.cache) <= 16
