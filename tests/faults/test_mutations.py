"""The mutations still mean the code as it is; `make mutations` runs them."""

import pytest

from tests.faults.mutations import MUTATIONS, Mutation, mutated


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_mutation_changes_a_file_that_still_compiles(mutation: Mutation) -> None:
    compile(mutated(mutation), mutation.file, "exec")


def test_every_promise_is_broken_once() -> None:
    assert {mutation.invariant for mutation in MUTATIONS} == set(range(1, 10))
