"""`stream-app model promote`: a bundle measured against the one that serves, then announced."""

import asyncio
import json
import time
from pathlib import Path

import click

from stream_app import schemas
from stream_app.commands.errors import friendly
from stream_app.commands.model.sign import KEY_FILE, PASSWORD_FILE, opened_key
from stream_app.delivery.sending import send_all
from stream_app.inference import signature
from stream_app.inference.bundle import Bundle, BundleError, load
from stream_app.inference.promotion import KEY, NAME
from stream_app.messages.message import Record
from stream_app.schemas import Promotion
from stream_app.settings import Settings, SettingsError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


async def announce(settings: Settings, bundle: Bundle) -> None:
    """Send the promotion; returns when the broker has stored it. Raises KafkaError."""
    value = Promotion(bundle.version, bundle.sha256, time.time(), name=bundle.path.resolve().name)
    await send_all(settings, [Record("models", KEY, schemas.encode(value))], lambda _: None)


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", type=FILE, required=True, help="Labelled texts of neither's training.")
@click.option("--current", type=click.Path(file_okay=False, path_type=Path),
              help="Bundle it replaces; by default that of the settings.")  # fmt: skip
@click.option("--float32", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="The same weights exported with --precision float32.")  # fmt: skip
@click.option("--limit", type=int, default=2000, show_default=True, help="Texts to draw; 0: all.")
@click.option("--force", is_flag=True, help="Promote all the same; the card says so. Needs --key.")
@KEY_FILE
@PASSWORD_FILE
@click.option("--check", is_flag=True, help="Only measure.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
@friendly
def promote(
    settings: Settings,
    bundle: Path,
    data: Path,
    current: Path | None,
    float32: Path | None,
    limit: int,
    force: bool,
    key: Path | None,
    password_file: Path | None,
    check: bool,
    as_json: bool,
) -> None:
    """Measure a bundle against the one that serves; if it is no worse, let all workers serve it.

    Workers find it by its folder's name in their `bundle_root`, and take it only with a signature
    by their `bundle_key`: `model sign` writes one, or --key does it here.

    \b
    stream-app model promote my-bundle --data held-out.jsonl --float32 my-bundle-float32
    stream-app model promote my-bundle --data held-out.jsonl --check --json
    """
    if force and key is None and not check:
        raise click.UsageError("--force writes into the card: give --key to sign it again")
    if not check:
        _promotable(settings, bundle, signed=key is None)
    from stream_app.inference.batching import Inference
    from stream_app.pipeline import open_model
    from stream_app.training.model import evaluation, gate, labelled

    def opened(path: Path | None) -> Inference:
        return Inference(open_model(settings, path), cache_size=0)

    try:
        rows = labelled.sample(labelled.read(data), limit)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    candidate = opened(bundle)
    verdict = gate.judge(candidate, opened(current), rows, opened(float32) if float32 else None)
    refusals = verdict.refusals
    if candidate.model.bundle.config.precision == "int8" and float32 is None:
        refusals.append("int8 not compared with its float32: give --float32")
    if as_json:
        click.echo(json.dumps({"figures": verdict.figures, "refusals": refusals}))
    else:
        for name, value in verdict.figures.items():
            click.echo(f"{name:<28} {value:g}")
    if refusals and not force:
        raise click.ClickException(f"{candidate.version} is refused: {'; '.join(refusals)}")
    if check:
        return
    if refusals:
        gate.record_force(candidate.model.bundle, refusals, evaluation.today())
    if key is not None:
        with opened_key(key, password_file) as secret:
            signature.sign(bundle, secret)
    announced = load(bundle)
    asyncio.run(announce(settings, announced))
    click.echo(f"{announced.version} is announced to all workers", err=as_json)


def _promotable(settings: Settings, bundle: Path, signed: bool) -> None:
    """That workers of these settings would take the folder; raises BundleError and
    SettingsError before anything is measured."""
    path = bundle.resolve()
    if not settings.bundle_root or not settings.bundle_key:
        raise SettingsError("bundle_root and bundle_key must be set, here and for every worker")
    if not NAME.fullmatch(path.name):
        raise BundleError(f"{path.name!r}: letters, digits, '.', '_' and '-' are taken in a name")
    if Path(settings.bundle_root).resolve() != path.parent:
        raise BundleError(f"{path}: not directly in bundle_root, {settings.bundle_root}")
    if signed:
        signature.check(path, load(path).sha256, signature.trusted(settings))
