"""`stream-app recommend`: recommenders on recorded interactions."""

import json
from pathlib import Path

import click

from stream_app.recommend.offline import PROTOCOLS, Protocol

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def recommend() -> None:
    """Measure recommenders on recorded interactions."""


@recommend.command()
@click.option(
    "--interactions", type=FILE, required=True,
    help="User, item, time and perhaps stars: .csv, .tsv, .json, .jsonl, gzipped or not.",
)  # fmt: skip
@click.option(
    "--items", "items_file", type=FILE,
    help="Titles, categories and descriptions, for what is like what by its text.",
)  # fmt: skip
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Model that embeds the items; by default the one shipped.")  # fmt: skip
@click.option("--half-life-days", type=click.FloatRange(0.001), default=90.0, show_default=True)
@click.option("--protocol", type=click.Choice(PROTOCOLS), default="prequential", show_default=True)
@click.option("--model", "models", multiple=True, help="Only these; by default all.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the last line is one object.")
def evaluate(
    interactions: Path,
    items_file: Path | None,
    bundle: Path | None,
    half_life_days: float,
    protocol: Protocol,
    models: tuple[str, ...],
    as_json: bool,
) -> None:
    """Rank what users went on to like among all items that they did not know.

    \b
    stream-app recommend evaluate --interactions ratings.csv
    stream-app recommend evaluate --interactions reviews.json.gz --protocol leave-last-out --json
    """
    from stream_app.recommend.offline.baselines import baselines
    from stream_app.recommend.offline.evaluate import Frozen, Judged
    from stream_app.recommend.offline.evaluate import evaluate as run
    from stream_app.recommend.offline.log import LogError, read
    from stream_app.recommend.offline.streamed import streamed

    judged: list[Judged] = [Frozen(b) for b in baselines() if not models or b.name in models]
    names = [*(baseline.name for baseline in baselines()), "hybrid"]
    if unknown := set(models) - set(names):
        raise click.UsageError(f"no model {min(unknown)}; there are {', '.join(names)}")
    try:
        log = read(interactions)
        if not models or "hybrid" in models:
            judged.append(streamed(log, items_file, bundle, half_life_days))
        result = run(log, protocol, judged)
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'stream-app[train]' brings it"
        ) from error
    except (LogError, ValueError) as error:
        raise click.ClickException(str(error)) from error
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
