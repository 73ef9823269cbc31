"""`export`, `quantise`, `evaluate`, `card`: from a checkpoint to a measured bundle."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from stream_app.commands.extras import needs_extra
from stream_app.commands.model.options import (
    EXISTING,
    FILE,
    FOLDER,
    labelled,
    training_rows,
)
from stream_app.inference.bundle import (
    BundleError,
    TopicCalibration,
    default_bundle,
    load,
    write_checksums,
)
from stream_app.training.model import data

# Against the shop profile's descriptions, 95% of film phrases stay below the middle.
DEFAULT_TOPICS = TopicCalibration(slope=20.0, middle=0.34)


def bundle_options(command: Callable[..., None]) -> Callable[..., None]:
    """What every bundle written from a checkpoint takes."""
    for option in reversed((
        click.argument("checkpoint", type=EXISTING),
        click.argument("out", type=FOLDER),
        click.option("--name", help="Name of the bundle; by default the folder's."),
        click.option("--topic-slope", type=float, default=DEFAULT_TOPICS.slope, show_default=True),
        click.option("--topic-middle", type=float, default=DEFAULT_TOPICS.middle,
                     show_default=True),
    )):  # fmt: skip
        command = option(command)
    return command


def write_bundle(
    checkpoint: Path,
    out: Path,
    name: str | None,
    precision: str,
    slope: float,
    middle: float,
    standard: bool = False,
) -> None:
    """Write the bundle and say its version, or why not in one line."""
    with needs_extra("train"):
        from stream_app.training.networks import export as exporting
    topics = TopicCalibration(slope=slope, middle=middle)
    probes = [row.text for row in data.example_rows()]
    try:
        bundle = exporting.export(
            checkpoint, out, name or out.name, precision, topics, probes, standard
        )
    except (exporting.FidelityError, FileExistsError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{bundle.path}: {bundle.version}")


@click.command()
@bundle_options
def export(
    checkpoint: Path, out: Path, name: str | None, topic_slope: float, topic_middle: float
) -> None:
    """Turn a checkpoint into a float32 bundle, its graph checked against torch."""
    write_bundle(checkpoint, out, name, "float32", topic_slope, topic_middle)


@click.command()
@bundle_options
@click.option(
    "--precision", type=click.Choice(["int8", "float16"]), default="int8", show_default=True,
    help="int8 for CPUs, float16 for GPUs.",
)  # fmt: skip
@click.option("--standard", is_flag=True, help="ONNX's own operators only, as TensorRT needs them.")
def quantise(
    checkpoint: Path,
    out: Path,
    name: str | None,
    topic_slope: float,
    topic_middle: float,
    precision: str,
    standard: bool,
) -> None:
    """Turn a checkpoint into a smaller bundle, measured against its float32 graph."""
    if standard and precision == "int8":
        raise click.UsageError("--standard needs --precision float16")
    write_bundle(checkpoint, out, name, precision, topic_slope, topic_middle, standard)


@click.command()
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
@click.option("--errors", is_flag=True, help="List the misread texts in the JSON.")
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
    errors: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Accuracy, macro-F1, each class, calibration, confusion and speed on labelled files.

    \b
    stream-app model evaluate --data reviews.csv --text-column body --label-column stars
    stream-app model evaluate --data a.tsv --data b.jsonl --json
    """
    from stream_app.inference.batching import Inference
    from stream_app.inference.runtime import Model
    from stream_app.training.model import evaluation
    from stream_app.training.model import labelled as reading

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
        sets[name] = evaluation.evaluate(inference, rows, errors)
        if not as_json:
            click.echo(evaluation.table(name, sets[name]))
    inference.close()
    body = {
        "bundle": opened.version,
        "provider": inference.model.provider,
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


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("results", type=FILE, nargs=-1, required=True)
def card(bundle: Path, results: tuple[Path, ...]) -> None:
    """Put the results of `evaluate --out` into a bundle's metrics and card."""
    from stream_app.training.model import card as cards

    try:
        opened = load(bundle)
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    measured: dict[str, Any] = {}
    for file in results:
        body = json.loads(file.read_text(encoding="utf-8"))
        if body["bundle"] != opened.version:
            raise click.ClickException(f"{file}: measured on {body['bundle']}")
        measured = body | {"sets": measured.get("sets", {}) | body["sets"]}
    metrics = json.loads((bundle / "metrics.json").read_text(encoding="utf-8"))
    cards.write(bundle, opened.config, metrics | {"evaluation": measured})
    write_checksums(bundle)
    click.echo(f"{bundle}: {load(bundle).version}")
