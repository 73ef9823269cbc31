"""`train`, `distil`, `search`: runs that write a checkpoint."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stream_app.commands.extras import needs_extra
from stream_app.commands.model.options import (
    EXISTING,
    FILE,
    FOLDER,
    RECIPES,
    recipe,
    training_rows,
)
from stream_app.training.model import corpus, data
from stream_app.training.model.data import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_app.training.networks.fitting import Saving

STATE, LOGS = "state.pt", "logs"


@dataclass(frozen=True)
class Run:
    """The options that every run takes, as the decorator `run_options` names them."""

    out: Path
    vader: Path | None
    exclude: tuple[Path, ...]
    recipe_file: Path | None
    epochs: float | None
    threads: int | None
    seed: int | None
    limit: int
    save_every: int
    resume: bool

    def recipe(self, shipped: str, kind: type[Any], **given: Any) -> Any:
        """The run's recipe: the file given or the one shipped, and what options change."""
        file = self.recipe_file or RECIPES / shipped
        return recipe(file, kind, epochs=self.epochs, threads=self.threads, seed=self.seed, **given)

    def rows(self) -> list[Row]:
        """The free training rows."""
        return training_rows(self.vader, self.exclude)

    def saving(self) -> "Saving":
        from stream_app.training.networks.fitting import Saving

        return Saving(self.out / STATE, self.save_every, self.resume, self.out / LOGS)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of a `Run`, and hands the command one."""

    def handed(**given: Any) -> None:
        names = Run.__dataclass_fields__
        command(Run(**{n: given.pop(n) for n in names}), **given)

    handed.__name__, handed.__doc__ = command.__name__, command.__doc__
    handed.__dict__.update(command.__dict__)
    options: Callable[..., None] = handed
    for option in reversed((
        click.option("--out", type=FOLDER, required=True, help="Checkpoint folder to write."),
        click.option("--vader", type=FILE, help="vaderSentiment's source package (.tar.gz)."),
        click.option(
            "--exclude", type=FILE, multiple=True,
            help="Labelled file whose texts must not be trained on, nor texts that contain them.",
        ),
        click.option("--recipe", "recipe_file", type=FILE,
                     help="TOML of the run; by default the one shipped."),
        click.option("--epochs", type=click.FloatRange(0.01), help="Instead of the recipe's."),
        click.option("--threads", type=int, help="Torch threads; 0: torch decides."),
        click.option("--limit", type=int, default=0,
                     help="Train on a random part of this many rows."),
        click.option("--seed", type=int, help="Instead of the recipe's."),
        click.option("--save-every", type=click.IntRange(0), default=200, show_default=True,
                     help="Steps between two saves of the run's state in --out; 0: none."),
        click.option("--resume", is_flag=True,
                     help="Go on from the state that a killed run of these options left."),
    )):  # fmt: skip
        options = option(options)
    return options


BASE = click.option(
    "--base", type=FOLDER, required=True, help="Folder of a BERT, or a checkpoint to go on from."
)


def check_base(base: Path) -> None:
    """One line if the folder is no model."""
    if not (base / "tokenizer.json").exists():
        raise click.ClickException(f"{base}: no tokenizer.json, so not a model folder")


@contextmanager
def one_line() -> "Iterator[None]":
    """What a run may raise, as one line."""
    try:
        with needs_extra("train"):
            yield
    except (ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error


@click.command()
@BASE
@click.option("--max-tokens", type=click.IntRange(8, 512), help="Instead of the recipe's.")
@click.option(
    "--data", "files", type=FILE, multiple=True,
    help="Labelled file of a domain; then only such files are trained on.",
)  # fmt: skip
@click.option("--text-column", help="By default text, review or sentence.")
@click.option("--label-column", default="label", show_default=True)
@click.option(
    "--texts", type=FILE, multiple=True,
    help="Text file, one unlabelled text a line: those that --labeller is sure of are added.",
)  # fmt: skip
@click.option("--labeller", type=EXISTING, help="Checkpoint that labels --texts.")
@click.option("--sure", type=click.FloatRange(0, 1), default=0.9, show_default=True,
              help="Least probability of such a label.")  # fmt: skip
@run_options
def train(
    run: Run,
    base: Path,
    max_tokens: int | None,
    files: tuple[Path, ...],
    text_column: str | None,
    label_column: str,
    texts: tuple[Path, ...],
    labeller: Path | None,
    sure: float,
) -> None:
    """Fine-tune a BERT for sentiment; minutes to an hour on two cores.

    \b
    stream-app model train --base multilingual-e5-small --out teacher
    stream-app model train --base teacher --data reviews.csv --label-column stars \\
        --recipe models/recipes/domain.toml --out mine
    """
    with one_line():
        from stream_app.training.networks import training
    check_base(base)
    if texts and labeller is None:
        raise click.UsageError("--texts needs --labeller, the checkpoint that labels them")
    chosen = run.recipe("teacher.toml", training.Recipe, max_tokens=max_tokens)
    with one_line():
        rows = (
            [row for f in files for row in corpus.domain_rows(f, text_column, label_column)]
            if files
            else run.rows()
        )
        if files:
            rows = corpus.without_files(rows, run.exclude)
        rows, held_out = corpus.drawn(rows, run.limit, chosen.seed)
        if labeller is not None:
            unlabelled = [row for file in texts for row in data.unlabelled_rows(file)]
            added = corpus.pseudo_rows(labeller, unlabelled, sure)
            click.echo(f"{len(added)} of {len(unlabelled)} unlabelled texts are sure enough")
            rows += added
    click.echo(f"{len(rows)} rows to train on, {len(held_out)} held out")
    with one_line():
        metrics = training.train(base, rows, held_out, run.out, chosen, run.saving())
    click.echo(json.dumps(metrics))


@click.command()
@click.argument("teacher", type=EXISTING)
@click.option("--layers", type=click.IntRange(2), help="Instead of the recipe's.")
@click.option(
    "--texts", type=FILE, multiple=True,
    help="Text file, one unlabelled text a line, to learn the teacher's answers on as well.",
)  # fmt: skip
@run_options
def distil(run: Run, teacher: Path, layers: int | None, texts: tuple[Path, ...]) -> None:
    """Train a student with fewer layers of the checkpoint TEACHER.

    Its embeddings stay in the teacher's space.
    """
    with one_line():
        from stream_app.training.networks import distillation
        from stream_app.training.networks.checkpoint import is_checkpoint
    if not is_checkpoint(teacher):
        raise click.ClickException(f"{teacher}: no training.json, so not a checkpoint")
    chosen = run.recipe("student.toml", distillation.Distillation, layers=layers)
    rows, held_out = corpus.drawn(run.rows(), run.limit, chosen.seed)
    rows += [row for file in texts for row in data.unlabelled_rows(file)]
    click.echo(f"{len(rows)} rows to distil on, {len(held_out)} held out")
    with one_line():
        metrics = distillation.distil(teacher, rows, held_out, run.out, chosen, run.saving())
    click.echo(json.dumps(metrics))


@click.command()
@BASE
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True)
@run_options
def search(run: Run, base: Path, trials: int) -> None:
    """Search learning rates, smoothing, warm-up and anchor; writes OUT/recipe.toml.

    Trials are kept in OUT/search.db, so a second call goes on; --limit keeps each short.

    \b
    stream-app model search --base multilingual-e5-small --out found --limit 4000 --trials 20
    """
    with one_line():
        from stream_app.training.networks import searching, training
    check_base(base)
    chosen = run.recipe("teacher.toml", training.Recipe)
    rows, held_out = corpus.drawn(run.rows(), run.limit, chosen.seed)
    with one_line():
        best = searching.search(base, rows, held_out, run.out, chosen, trials)
    click.echo(f"{run.out / 'recipe.toml'}: macro-F1 {best:.4f} on {len(held_out)} held-out rows")
