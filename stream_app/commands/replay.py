"""`stream-app replay`: the flow over a file."""

import sys
from pathlib import Path

import click

from stream_app.commands.errors import friendly
from stream_app.settings import Settings

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--topic", default="reviews", show_default=True, help="Of lines without envelope.")
@click.option("--state", is_flag=True, help="Put out the tables' final state too.")
@click.option("--text-column", help="FILE is CSV or TSV: the column that holds the reviews.")
@click.pass_obj
@friendly
def replay(
    settings: Settings, file: Path, topic: str, state: bool, text_column: str | None
) -> None:
    """The whole flow without Kafka: a file in, all outputs as JSONL out.

    \b
    stream-app replay events.jsonl --state > outputs.jsonl
    stream-app replay reviews.csv --text-column text > outputs.jsonl
    """
    from tqdm import tqdm

    from stream_app.commands.files import line, read, read_column
    from stream_app.pipeline import build
    from stream_app.replay import Replay

    run = Replay(build(settings), settings.partitions)
    messages = read_column(file, text_column) if text_column else read(file, topic)
    with tqdm(messages, unit="msg", file=sys.stderr, disable=None) as counted:
        for output in run.run(counted):
            sys.stdout.write(line(output) + "\n")
    if state:
        for table in run.states:
            for key, record in run.records(table).items():
                sys.stdout.write(line(table=table, key=key, value=record) + "\n")
