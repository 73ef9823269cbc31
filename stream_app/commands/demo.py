"""`stream-app demo`: all of it, on this machine."""

import click

from stream_app.commands.errors import friendly
from stream_app.settings import Settings


@click.command()
@click.option("--once", is_flag=True, help="End when every input is accounted for.")
@click.option("--json", "as_json", is_flag=True, help="No live view; one JSON object at the end.")
@click.option("--kafka", is_flag=True, help="On Apache Kafka instead of the embedded broker.")
@click.option("--dashboard/--no-dashboard", default=None,
              help="Serve the page too. Default: in a terminal, if installed.")  # fmt: skip
@click.pass_obj
@friendly
def demo(
    settings: Settings, once: bool, as_json: bool, kafka: bool, dashboard: bool | None
) -> None:
    """Broker, worker and a week of a shop's reviews, on this machine, live."""
    from stream_app.demo.run import run

    raise SystemExit(run(settings, once=once, as_json=as_json, kafka=kafka, dashboard=dashboard))
