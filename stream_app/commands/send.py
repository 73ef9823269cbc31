"""`stream-app send`: a file into a topic."""

import asyncio
import sys
from pathlib import Path

import click

from stream_app.commands.errors import friendly
from stream_app.settings import Settings

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--topic", default="reviews", show_default=True, help="Of lines without envelope.")
@click.pass_obj
@friendly
def send(settings: Settings, file: Path, topic: str) -> None:
    """Send a JSONL file; returns when the broker has confirmed every line.

    A line is a record, or {"topic": …, "key": …, "value": …} to mix topics in one file.

    \b
    stream-app send reviews.jsonl
    stream-app send --topic items catalogue.jsonl
    """
    from tqdm import tqdm

    from stream_app.commands.files import read
    from stream_app.delivery.sending import send_all

    total = sum(1 for line in file.open("rb") if line.strip())
    with tqdm(total=total, unit="msg", file=sys.stderr, disable=None) as bar:
        delivered = asyncio.run(send_all(settings, read(file, topic), bar.update))
    click.echo(f"{delivered} delivered")
