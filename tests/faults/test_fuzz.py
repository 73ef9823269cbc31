"""The readers of `bench/fuzz.py` under hypothesis: random bytes, and valid ones with a fault."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz import NAMES, READERS, attempt, seeds

SEEDS = seeds()


@st.composite
def broken(draw: st.DrawFn, name: str) -> bytes:
    """A valid input with some bytes replaced, inserted or cut off."""
    data = bytearray(draw(st.sampled_from(SEEDS[name])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(data[: draw(st.integers(len(data) // 2, len(data)))])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_reader_ends_in_its_declared_error_alone(name: str, data: st.DataObject) -> None:
    ways = st.binary(max_size=300)
    attempt(name, data.draw(ways | broken(name) if name in SEEDS else ways))


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_are_valid(name: str) -> None:
    """Seeds that were refused would lead nowhere."""
    for example in SEEDS[name]:
        READERS[name][0](example)
