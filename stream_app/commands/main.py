"""`stream-app`: the group of all commands."""

from pathlib import Path

import click

from stream_app import settings as settings_module
from stream_app.commands.lazy import LazyGroup
from stream_app.settings import SettingsError

ROOM = "stream_app.commands"
COMMANDS = {
    "acls": "access:acls_command",
    "broker": "broker:broker",
    "contract": "contract:contract",
    "dashboard": "dashboard:dashboard",
    "demo": "demo:demo",
    "doctor": "doctor:doctor",
    "model": "model:model",
    "offsets": "offsets:offsets",
    "recommend": "recommend:recommend",
    "replay": "replay:replay",
    "schemas": "contracts:schemas",
    "send": "send:send",
    "state": "state:state",
    "tail": "tail:tail",
    "topics": "topics:topics",
    "worker": "worker:worker",
}
"""By name: the module in this room, and the command in it."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(
    cls=LazyGroup,
    lazy={name: f"{ROOM}.{where}" for name, where in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--config", type=FILE, help="Settings, TOML. Default: stream-app.toml if it exists.")
@click.option("--broker", help="Bootstrap servers, host:port[,host:port].")
@click.option("--profile", help="shop, news, finance, support, or a TOML file.")
@click.version_option(package_name="stream-app")
@click.pass_context
def main(
    context: click.Context, config: Path | None, broker: str | None, profile: str | None
) -> None:
    """Reviews, comments and questions understood while they arrive.

    \b
    stream-app demo                      all of it, on this machine
    stream-app broker                    a broker to play with
    stream-app topics create             what the worker needs
    stream-app worker                    process
    stream-app send reviews.jsonl        feed
    stream-app tail alerts               watch
    stream-app dashboard                 watch in a browser
    """
    try:
        context.obj = settings_module.load(config, broker=broker, profile=profile)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
