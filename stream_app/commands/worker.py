"""`stream-app worker`: process."""

import click

from stream_app.commands.errors import friendly
from stream_app.settings import Settings


@click.command()
@click.option("--data-dir", type=click.Path(file_okay=False), help="This worker's tables.")
@click.option("--log-level", default="INFO", show_default=True)
@click.pass_obj
@friendly
def worker(settings: Settings, data_dir: str | None, log_level: str) -> None:
    """Process until SIGTERM. Start more, each with its own --data-dir, to share the load."""
    import msgspec

    from stream_app.agents import worker as app
    from stream_app.telemetry import logs

    logs.configure(settings, log_level)
    if data_dir:
        settings = msgspec.structs.replace(settings, data_dir=data_dir)
    app.run(settings)
