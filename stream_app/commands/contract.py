"""`stream-app contract`: what all workers of a group have in common."""

import asyncio

import click
import msgspec

from stream_app.commands.errors import friendly
from stream_app.settings import Settings


@click.group()
def contract() -> None:
    """What all workers of a group have in common: profile, model, partitions, records' versions.

    The first worker of a group writes it. One that does not fit refuses to start.

    \b
    stream-app contract show               the group's, and where this machine's settings differ
    stream-app contract show --json
    stream-app contract replace            with what these settings say: stop all workers before
    """


@contract.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
@friendly
def show(settings: Settings, as_json: bool) -> None:
    """The group's contract, and each difference from these settings; exit code 1 if there is one.

    \b
    stream-app contract show
    stream-app --profile my.toml contract show --json
    """
    from stream_app.agents.contract import own
    from stream_app.delivery import contract as delivery

    claims = asyncio.run(delivery.read(settings))
    group = claims[0].contract if claims else None
    wrong = delivery.differences(group, own(settings)) if group is not None else []
    if as_json:
        click.echo(msgspec.json.encode({"contract": group, "differences": wrong}).decode())
    elif group is None:
        click.echo(f"the group {settings.app} has none yet: its first worker writes it")
    else:
        for name, value in msgspec.to_builtins(group).items():
            click.echo(f"{name:<11} {_text(value)}")
        for difference in wrong:
            click.echo(f"{'does not fit':<11}: {difference}")
    if wrong:
        raise SystemExit(1)


@contract.command()
@click.option("--force", is_flag=True, help="Also while workers run: restart them all after it.")
@click.pass_obj
@friendly
def replace(settings: Settings, force: bool) -> None:
    """Let these settings be the contract, for a change on purpose.

    Stop all workers before it. State that the new ones cannot use is set aside and begun anew.

    \b
    stream-app --profile my.toml contract replace
    """
    from stream_app.agents.contract import own
    from stream_app.delivery import administration
    from stream_app.delivery import contract as delivery

    async def run() -> None:
        mine = own(settings)
        if not force and (members := await administration.members(settings)):
            raise delivery.ContractError(
                f"the group {settings.app} has {members} members: stop its workers, or --force"
            )
        await delivery.replace(settings, mine)

    asyncio.run(run())
    click.echo(f"the contract of {settings.app} is replaced")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
