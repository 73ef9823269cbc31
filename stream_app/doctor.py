"""Is everything there that a worker needs?"""

import platform
import sys

import msgspec
from aiokafka.errors import KafkaError
from rich.console import Console

from models.bundle import BundleError
from stream_app import profiles, topics
from stream_app.pipeline import open_model
from stream_app.profiles import ProfileError
from stream_app.settings import Settings


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at."""

    name: str
    ok: bool
    said: str


async def examine(settings: Settings) -> list[Finding]:
    """All findings; nothing is raised for what is missing."""
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
        counts = await topics.partitions(settings)
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
    console = Console(highlight=False)
    for finding in findings:
        mark = "[green]ok[/]  " if finding.ok else "[red]FAIL[/]"
        console.print(f"{mark} {finding.name:<9}", end="")
        console.print(f" {finding.said}", markup=False)
