"""`stream-app offsets`: move the group to a time."""

import asyncio
from datetime import UTC, datetime

import click
import msgspec

from stream_app.commands.errors import friendly
from stream_app.messages.topics import CONSUMED
from stream_app.settings import Settings, SettingsError

MEANING = """\
Messages that come again change no table: a record knows up to where it has applied its sources.
What they lead to is sent again, with the ids that it had; an open surge is not told twice.
To have messages counted anew, compute the tables anew: `stream-app state rebuild`."""


class Move(msgspec.Struct, frozen=True):
    """What a reset does to one partition."""

    topic: str
    partition: int
    committed: int
    """The group's next message now."""
    target: int
    """Its next message afterwards."""

    @property
    def again(self) -> int:
        """Messages that come again."""
        return max(self.committed - self.target, 0)

    @property
    def skipped(self) -> int:
        """Messages that nobody will ever take."""
        return max(self.target - self.committed, 0)


@click.group()
def offsets() -> None:
    """Where the group goes on in its topics: see docs/recovery.md."""


@offsets.command("reset")
@click.option("--to", "moment", required=True, help="ISO time; without a zone it is UTC.")
@click.option(
    "--topic", "topics", multiple=True, required=True, type=click.Choice(CONSUMED),
    help="Of which topic; may be given several times.",
)  # fmt: skip
@click.option("--execute", is_flag=True, help="Do it; otherwise it is only told what it means.")
@click.option("--skip", is_flag=True, help="Also where messages are passed over for good.")
@click.option("--json", "as_json", is_flag=True, help="What moves, as JSON.")
@click.pass_obj
@friendly
def offsets_reset(
    settings: Settings,
    moment: str,
    topics: tuple[str, ...],
    execute: bool,
    skip: bool,
    as_json: bool,
) -> None:
    """Let the group go on with the first message of a time or later. No worker may run.

    \b
    stream-app offsets reset --to 2026-11-29T10:00Z --topic reviews
    stream-app offsets reset --to 2026-11-29T10:00Z --topic reviews --topic behaviours --execute
    """
    moves = asyncio.run(reset(settings, topics, milliseconds(moment), execute, skip))
    if as_json:
        rows = [msgspec.structs.asdict(m) | {"again": m.again, "skipped": m.skipped} for m in moves]
        click.echo(msgspec.json.encode({"executed": execute, "moves": rows}).decode())
        return
    for move in moves:
        told = f"{move.skipped:,} passed over" if move.skipped else f"{move.again:,} come again"
        place = f"{move.topic}/{move.partition}"
        click.echo(f"{place:<16} {move.committed:>12,} -> {move.target:>12,}  {told}")
    click.echo(MEANING)
    if not execute:
        click.echo("Nothing was changed: say --execute to do it.")


def milliseconds(moment: str) -> int:
    """An ISO time as Kafka counts it; raises SettingsError."""
    try:
        time = datetime.fromisoformat(moment)
    except ValueError as error:
        raise SettingsError(f"--to {moment}: {error}") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


async def reset(
    settings: Settings, topics: tuple[str, ...], moment: int, execute: bool, skip: bool
) -> list[Move]:
    """What moves, and with `execute` move it. Raises GroupError, SettingsError, KafkaError."""
    from stream_app.delivery import group
    from stream_app.delivery.consumer import standalone_consumer

    if execute:
        await group.require_empty(settings)
    partitions = group.sources(settings, topics)
    held = await group.committed(settings, partitions)
    async with standalone_consumer(settings) as consumer:
        kept = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, moment))
    moves = []
    for tp in partitions:
        now = held[tp]
        at = found[tp]
        moves.append(
            Move(
                tp.topic.removeprefix(settings.prefix),
                tp.partition,
                kept[tp] if now is None else now,
                ends[tp] if at is None else at.offset,
            )
        )
    passed = sum(move.skipped for move in moves)
    if execute and passed and not skip:
        raise SettingsError(
            f"{passed:,} messages that nobody has taken lie before that time and would be passed "
            "over for good: say --skip to do it all the same"
        )
    if execute:
        await group.commit(
            settings, {tp: move.target for tp, move in zip(partitions, moves, strict=True)}
        )
    return moves
