"""`stream-app recommend`: recommenders on recorded interactions."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream_app.commands.extras import needs_extra
from stream_app.settings import Settings
from stream_app.training.recommender import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from stream_app.schemas import ItemVector
    from stream_app.training.recommender.log import Log
    from stream_app.training.recommender.training import Plan

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ITEMS = click.option(
    "--items", "items_file", type=FILE,
    help="Titles, categories and descriptions, for what is like what by its text.",
)  # fmt: skip
BUNDLE = click.option(
    "--bundle", type=FOLDER, help="Model that analyses texts; by default the one shipped."
)
HALF_LIVES = click.option(
    "--half-life-days", "half_lives", type=click.FloatRange(0.001), multiple=True,
    default=(30.0, 3650.0), show_default=True,
    help="Until an event counts half; of several the one that foresees best.",
)  # fmt: skip
EPOCHS = click.option(
    "--epochs", type=click.IntRange(1), default=10, show_default=True, help="Of the sequence model."
)


@click.group()
def recommend() -> None:
    """Train recommenders on recorded interactions, and measure them."""


@recommend.command()
@click.option(
    "--interactions", type=FILE,
    help="User, item, time and perhaps stars, text or kind: .csv, .tsv, .json, .jsonl, gzipped or "
    "not. Without it: what the topics hold.",
)  # fmt: skip
@ITEMS
@BUNDLE
@HALF_LIVES
@EPOCHS
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.pass_obj
def train(
    settings: Settings,
    interactions: Path | None,
    items_file: Path | None,
    bundle: Path | None,
    half_lives: tuple[float, ...],
    epochs: int,
    out: Path,
) -> None:
    """Learn factors, sequence model and blend, for the setting `recommender`.

    \b
    stream-app recommend train --out recommender
    stream-app recommend train --interactions ratings.csv --items movies.csv --out recommender
    """
    if out.exists():
        raise click.ClickException(f"{out}: is there already")
    with one_line():
        from stream_app.training.recommender import training

        plan = _plan(settings.profile, half_lives, epochs)
        if interactions is not None:
            log, entries, version = _from_files(interactions, items_file, bundle)
        else:
            log, entries, version = _from_topics(settings)
        items = training.catalogue_of(entries)
        learnt = training.learn(log, items, plan, out.name, version)
        written = training.write(out, learnt, "files" if interactions else "the topics")
    click.echo(f"{out}: {written.version}; set recommender to it and restart the workers")


@recommend.command()
@click.option(
    "--interactions", type=FILE, required=True,
    help="User, item, time and perhaps stars, text or kind: .csv, .tsv, .json, .jsonl, gzipped or "
    "not.",
)  # fmt: skip
@ITEMS
@BUNDLE
@HALF_LIVES
@EPOCHS
@click.option("--protocol", type=click.Choice(PROTOCOLS), default="prequential", show_default=True)
@click.option("--model", "models", multiple=True, help="Only these; by default all.")
@click.option(
    "--without", multiple=True, type=click.Choice(["text", "behaviour"]),
    help="Leave a part out, to see its worth: the reviews' texts, or all stars and events.",
)  # fmt: skip
@click.option("--daily", is_flag=True, help="Retrain the baselines with each day that begins.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the last line is one object.")
@click.pass_obj
def evaluate(
    settings: Settings,
    interactions: Path,
    items_file: Path | None,
    bundle: Path | None,
    half_lives: tuple[float, ...],
    epochs: int,
    protocol: Protocol,
    models: tuple[str, ...],
    without: tuple[str, ...],
    daily: bool,
    as_json: bool,
) -> None:
    """Rank what users went on to like among all items that they did not know.

    \b
    stream-app recommend evaluate --interactions ratings.csv
    stream-app recommend evaluate --interactions reviews.json.gz --protocol leave-last-out --json
    """
    from stream_app.training.recommender.baselines import baselines
    from stream_app.training.recommender.evaluate import Evaluated, Frozen
    from stream_app.training.recommender.evaluate import evaluate as run

    evaluated: list[Evaluated] = [
        Frozen(b, daily=daily) for b in baselines() if not models or b.name in models
    ]
    names = [*(baseline.name for baseline in baselines()), "hybrid"]
    if unknown := set(models) - set(names):
        raise click.UsageError(f"no model {min(unknown)}; there are {', '.join(names)}")
    with one_line():
        log, entries, _ = _from_files(interactions, items_file, bundle, without)
        if not models or "hybrid" in models:
            from stream_app.training.recommender.streamed import Streamed

            plan = _plan(settings.profile, half_lives, epochs, without)
            evaluated.append(Streamed(entries, plan))
        result = run(log, protocol, evaluated)
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(
        f"{result['events']} targets of {protocol}, {result['users']} users, "
        f"{result['items']} items"
    )
    click.echo(
        f"{'':16}{'HR@10':>8}{'95%':>18}{'NDCG@10':>9}{'MRR':>7}{'coverage':>10}{'cold HR':>9}"
    )
    for name, figures in result["results"].items():
        low, high = figures["intervals"]["hr@10"]
        cold = figures["cold_items"].get("hr@10")
        click.echo(
            f"{name:16}{figures['hr@10']:8.4f}{f'{low:.4f} - {high:.4f}':>18}"
            f"{figures['ndcg@10']:9.4f}{figures['mrr']:7.4f}{figures['coverage']:10.3f}"
            + (f"{cold:9.4f}" if cold is not None else f"{'':>9}")
        )


@contextmanager
def one_line() -> Iterator[None]:
    """What reading and training may raise, as one line."""
    from aiokafka.errors import KafkaError

    from stream_app.inference.bundle import BundleError
    from stream_app.profiles import ProfileError

    try:
        with needs_extra("train"):
            yield
    except (BundleError, ProfileError, KafkaError, ValueError) as error:
        raise click.ClickException(str(error)) from error


BEHAVIOUR = frozenset({"neighbours", "popularity", "collaborative", "sequence"})
"""Sources that live on what people do, whatever they write."""


def _plan(
    profile: str, half_lives: Sequence[float], epochs: int, without: Sequence[str] = ()
) -> "Plan":
    from stream_app import profiles
    from stream_app.training.networks import sequences
    from stream_app.training.recommender import training

    weights = {"review": 1.0, **profiles.load(profile).behaviours.weights}
    left_out = BEHAVIOUR if "behaviour" in without else frozenset()
    return training.Plan(weights, half_lives, sequences.Recipe(epochs=epochs), left_out)


def _from_files(
    interactions: Path, items_file: Path | None, bundle: Path | None, without: Sequence[str] = ()
) -> "tuple[Log, list[ItemVector], str]":
    """Log, entries in the order of its items, and the version of the model that analysed them."""
    from stream_app.inference.batching import Inference
    from stream_app.inference.bundle import default_bundle, load
    from stream_app.inference.runtime import Model
    from stream_app.training.recommender import items
    from stream_app.training.recommender.annotation import annotated
    from stream_app.training.recommender.log import read

    log = read(interactions)
    inference = Inference(Model(load(bundle or default_bundle())))
    try:
        if "text" not in without:
            log = annotated(log, inference)
        if "behaviour" in without:
            log = log.only_text()
        found = items.read(items_file) if items_file and "text" not in without else {}
        entries = items.vectors(log.items, found, inference)
    finally:
        inference.close()
    return log, entries, inference.version


def _from_topics(settings: Settings) -> "tuple[Log, list[ItemVector], str]":
    """Log, entries in the order of its items, and the version of the model that embedded them."""
    import numpy as np

    from stream_app.inference.bundle import default_bundle, load
    from stream_app.messages.vectors import pack
    from stream_app.schemas import Item, ItemVector
    from stream_app.training.recommender import history

    serving = load(Path(settings.bundle) if settings.bundle else default_bundle())
    dimensions = serving.config.dimensions
    log, known, refused = asyncio.run(history.read(settings, dimensions))
    if refused:
        click.echo(f"{refused} messages are left out that the worker refuses too", err=True)
    nothing = pack(np.zeros(dimensions, np.float32))
    entries = [known.get(i) or ItemVector(Item(i, i), nothing, "") for i in log.items]
    return log, entries, next((entry.model for entry in known.values()), "")
