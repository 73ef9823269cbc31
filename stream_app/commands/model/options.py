"""What the verbs share: files, errors of one line, recipes."""

from pathlib import Path
from typing import Any, TypeVar

import click

from stream_app.shipped import MODELS
from stream_app.training.model import corpus
from stream_app.training.model.data import Row
from stream_app.training.model.labelled import Labelled
from stream_app.training.model.labelled import read as read_labelled
from stream_app.training.model.recipe import read as read_recipe

T = TypeVar("T")

FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
RECIPES = MODELS / "recipes"


def recipe(file: Path, kind: type[T], **given: Any) -> T:
    """A run's recipe, or one line that says what is wrong with it."""
    try:
        return read_recipe(file, kind, **given)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def training_rows(vader: Path | None, exclude: tuple[Path, ...]) -> list[Row]:
    """The free training rows, or one line that says what is missing."""
    try:
        return corpus.training_rows(vader, exclude)
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def labelled(
    file: Path, text_column: str | None = None, label_column: str = "label"
) -> list[Labelled]:
    """A labelled file's rows, or one line that says what is wrong with it."""
    try:
        return read_labelled(file, text_column, label_column)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
