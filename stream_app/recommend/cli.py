"""`stream-app recommend`: recommenders on recorded interactions."""

import json
from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PROTOCOLS = ("leave-last-out", "time-split", "prequential")


@click.group()
def recommend() -> None:
    """Measure recommenders on recorded interactions."""


@recommend.command()
@click.option(
    "--interactions", type=FILE, required=True,
    help="User, item, time and perhaps stars: .csv, .tsv, .json, .jsonl, gzipped or not.",
)  # fmt: skip
@click.option("--protocol", type=click.Choice(PROTOCOLS), default="prequential", show_default=True)
@click.option("--model", "models", multiple=True, help="Only these; by default all.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the last line is one object.")
def evaluate(interactions: Path, protocol: str, models: tuple[str, ...], as_json: bool) -> None:
    """Rank what users went on to like among all items that they did not know.

    \b
    stream-app recommend evaluate --interactions ratings.csv
    stream-app recommend evaluate --interactions reviews.json.gz --protocol leave-last-out --json
    """
    from stream_app.recommend.offline.baselines import baselines
    from stream_app.recommend.offline.evaluate import Frozen
    from stream_app.recommend.offline.evaluate import evaluate as run
    from stream_app.recommend.offline.log import LogError, read

    judged = [Frozen(baseline) for baseline in baselines()]
    names = [model.name for model in judged]
    if unknown := set(models) - set(names):
        raise click.UsageError(f"no model {min(unknown)}; there are {', '.join(names)}")
    try:
        log = read(interactions)
        result = run(log, protocol, [m for m in judged if not models or m.name in models])  # type: ignore[arg-type]
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
