"""`stream-app state`: a group's tables as files, and back."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream_app.commands.errors import friendly
from stream_app.messages.topics import TOPICS, names
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.delivery.export import Progress
    from stream_app.delivery.snapshot import Contents

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(dir_okay=False, path_type=Path)
KEPT = names(topic for topic in TOPICS if topic.compacted)
"""What `--topics` adds: topics whose newest record of each key is all that counts."""


def versions() -> dict[str, int]:
    """The newest version of each table's records that this version reads. The catalogue's are
    item vectors and have none."""
    from stream_app.interests import record as interests
    from stream_app.subjects import record as subjects

    return {"interests": interests.VERSION, "subjects": subjects.VERSION}


@click.group()
def state() -> None:
    """A group's tables as files, and back: see docs/recovery.md."""


@state.command("export")
@click.argument("file", type=NEW)
@click.option("--topics", is_flag=True, help=f"The compacted topics too: {', '.join(KEPT)}.")
@click.option("--json", "as_json", is_flag=True, help="What the file holds, as JSON.")
@click.pass_obj
@friendly
def state_export(settings: Settings, file: Path, topics: bool, as_json: bool) -> None:
    """Write tables, committed offsets and pending messages to FILE. Workers may go on meanwhile.

    \b
    stream-app state export state.gz
    stream-app state export state.gz --topics
    zcat state.gz | jq -c 'select(.kind == "pending")'
    """
    from stream_app.delivery.export import export

    with _progress() as progress:
        contents = asyncio.run(export(settings, file, KEPT if topics else (), progress))
    _tell(contents, file, as_json)


@state.command("check")
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="What the file holds, as JSON.")
@click.pass_obj
@friendly
def state_check(settings: Settings, file: Path, as_json: bool) -> None:
    """Whether FILE is whole, and fits the settings and this version; needs no broker.

    \b
    stream-app state check state.gz
    """
    from stream_app.delivery.restore import judge
    from stream_app.delivery.snapshot import check

    contents = check(file)
    judge(settings, contents, versions(), force=False)
    _tell(contents, file, as_json)


@state.command("import")
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Replace what tables and topics hold now.")
@click.option("--json", "as_json", is_flag=True, help="What was done, as JSON.")
@click.pass_obj
@friendly
def state_import(settings: Settings, file: Path, force: bool, as_json: bool) -> None:
    """Bring the group to where FILE has it: tables, compacted topics, offsets, pending messages.

    No worker may run. FILE is checked before anything is written. Sources may be the topics that
    FILE is of, or new and empty ones. Workers start with an empty --data-dir afterwards.

    \b
    stream-app state import state.gz
    stream-app state import state.gz --force
    """
    import msgspec

    from stream_app.delivery.restore import restore

    with _progress() as progress:
        report = asyncio.run(restore(settings, file, versions(), force, progress))
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
        return
    for what, number in sorted(report.items()):
        click.echo(f"{number:>12,}  {what}")
    click.echo("imported: start workers, each with an empty --data-dir")


@state.command("rebuild")
@click.argument("file", type=NEW)
@click.option("--json", "as_json", is_flag=True, help="What the file holds, as JSON.")
@click.pass_obj
@friendly
def state_rebuild(settings: Settings, file: Path, as_json: bool) -> None:
    """Compute the tables anew from all messages that the input topics keep, into FILE.

    No worker may run. What the inputs no longer keep is not in FILE: look at what it says.

    \b
    stream-app state rebuild rebuilt.gz
    stream-app state import rebuilt.gz --force
    """
    from stream_app.commands.rebuilding import rebuild

    with _progress() as progress:
        contents = asyncio.run(rebuild(settings, file, progress))
    _tell(contents, file, as_json)


@contextmanager
def _progress() -> Iterator["Progress"]:
    from tqdm import tqdm

    with tqdm(unit="rec", file=sys.stderr, disable=None) as bar:
        yield bar.update


def _tell(contents: "Contents", file: Path, as_json: bool) -> None:
    """What a file holds."""
    import msgspec

    if as_json:
        click.echo(msgspec.json.encode({"header": contents[0], "footer": contents[1]}).decode())
        return
    header, footer = contents
    for name, number in footer.counts.items():
        read = footer.versions.get(name.removeprefix("table:"), [])
        said = f", version {', '.join(map(str, read))}" if name.startswith("table:") else ""
        click.echo(f"{number:>12,}  {name.replace(':', ' ')}{said}")
    size = file.stat().st_size
    click.echo(f"{file}: {header.app}, {header.partitions} partitions, {size:,} bytes, whole")
