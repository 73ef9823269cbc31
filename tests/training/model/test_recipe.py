"""Recipes out of TOML."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_app.commands.model.options import RECIPES
from stream_app.training.model.recipe import read
from tests import needs


@dataclass(frozen=True)
class Recipe:
    epochs: float = 1.0
    seed: int = 7


def test_what_is_given_wins_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "short.toml"
    file.write_text("epochs = 2\n")
    assert read(None, Recipe) == Recipe()
    assert read(file, Recipe, seed=None) == Recipe(epochs=2.0)
    assert read(file, Recipe, epochs=0.5, seed=1) == Recipe(epochs=0.5, seed=1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("epoch = 2", "no field epoch"), ("epochs = 'two'", "epochs"), ("epochs =", "Invalid value")],
)
def test_a_wrong_recipe_is_named(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"wrong\.toml.*{reason}"):
        read(file, Recipe)


def test_the_shipped_recipes_are_those_of_their_runs() -> None:
    distillation = needs.module("stream_app.training.networks.distillation", "train")
    training = needs.module("stream_app.training.networks.training", "train")
    assert read(RECIPES / "student.toml", distillation.Distillation).layers == 8
    assert read(RECIPES / "teacher.toml", training.Recipe).epochs == 2.5
