"""`stream-app dashboard`: the page about the output topics."""

import click

from stream_app.commands.errors import friendly
from stream_app.settings import Settings


@click.command()
@click.pass_obj
@friendly
def dashboard(settings: Settings) -> None:
    """Serve a page that follows the output topics, until Ctrl-C.

    It listens on loopback; elsewhere (STREAM_APP_DASHBOARD_HOST) it asks for the token that
    STREAM_APP_HTTP_TOKEN holds.
    """
    try:
        from stream_app.dashboard import serve
    except ModuleNotFoundError as error:
        raise click.ClickException(
            "the dashboard is not installed: pip install 'stream-app[dashboard]'"
        ) from error
    serve.run(settings)
