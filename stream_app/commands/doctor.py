"""Is everything there that a worker needs?"""

import asyncio
import platform
import sys

import click
import msgspec

from stream_app.commands.errors import friendly
from stream_app.settings import Settings


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at."""

    name: str
    ok: bool
    said: str


async def examine(settings: Settings) -> list[Finding]:
    """All findings; nothing is raised for what is missing."""
    from aiokafka.errors import KafkaError

    from stream_app import profiles
    from stream_app.delivery import administration
    from stream_app.inference.bundle import BundleError
    from stream_app.pipeline import open_model
    from stream_app.profiles import ProfileError

    version = sys.version_info
    findings = [
        Finding("python", (3, 11) <= version[:2] <= (3, 13), platform.python_version()),
    ]
    try:
        model = open_model(settings)
        findings.append(Finding("bundle", True, f"{model.version}, checksums match"))
        findings.append(Finding("provider", True, f"{model.provider}, {model.threads} threads"))
    except BundleError as error:
        findings.append(Finding("bundle", False, str(error)))
    try:
        findings.append(Finding("profile", True, profiles.load(settings.profile).name))
    except ProfileError as error:
        findings.append(Finding("profile", False, str(error)))
    try:
        counts = await administration.partitions(settings)
    except (KafkaError, OSError) as error:
        findings.append(Finding("broker", False, f"{settings.broker}: {error}"))
        return findings
    findings.append(Finding("broker", True, settings.broker))
    wrong = {name: count for name, count in counts.items() if count != settings.partitions}
    said = (
        f"not {settings.partitions} partitions: {wrong}; `stream-app topics create` makes them"
        if wrong
        else f"{len(counts)} topics of {settings.partitions} partitions"
    )
    findings.append(Finding("topics", not wrong, said))
    return findings


def show(findings: list[Finding], as_json: bool) -> None:
    """Print the findings."""
    if as_json:
        print(msgspec.json.encode(findings).decode())
        return
    from rich.console import Console

    console = Console(highlight=False)
    for finding in findings:
        mark = "[green]ok[/]  " if finding.ok else "[red]FAIL[/]"
        console.print(f"{mark} {finding.name:<9}", end="")
        console.print(f" {finding.said}", markup=False)


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
@friendly
def doctor(settings: Settings, as_json: bool) -> None:
    """Check Python, bundle, execution provider, profile, broker and topics."""
    findings = asyncio.run(examine(settings))
    show(findings, as_json)
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)
