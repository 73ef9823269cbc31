"""The least rights that each component needs on the broker, as Kafka ACLs.

Reading and writing a topic include describing it; an idempotent producer needs no more since
Kafka 2.8. Everything not named is for nobody: run the broker with an authorizer that denies by
default.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import click

from stream_app.messages.topics import TABLES, TOPICS, changelog, full_name
from stream_app.settings import Settings

Component = Literal["worker", "producer", "alerts", "dashboard", "auditor", "promoter", "operator"]
COMPONENTS: tuple[Component, ...] = get_args(Component)

INPUTS = tuple(spec.name for spec in TOPICS if spec.writer == "producers")
PROMOTED = ("models",)
ACKNOWLEDGED = ("acknowledgements",)
# What a worker consumes, and what it reads whole.
CONSUMED = (*INPUTS, "analyses", "signals")
WHOLE = ("item-vectors", "trends", "unmatched", *PROMOTED)
WRITTEN = tuple(
    spec.name for spec in TOPICS if spec.name not in (*INPUTS, *PROMOTED, *ACKNOWLEDGED)
)
READERS: dict[str, tuple[str, ...]] = {
    "alerts": ("alerts",),
    "dashboard": ("analyses", "recommendations", "alerts", "trends", *ACKNOWLEDGED),
    "auditor": ("dead-letters",),
}
"""What the others read. Who gives the dashboard the auditor's rights too sees why letters died
on it, and with the producer's can write reviews there."""


class Acl(NamedTuple):
    """One thing that a component may do."""

    operation: Literal["Read", "Write", "Create", "Describe"]
    resource: Literal["topic", "group"]
    name: str


def acls(settings: Settings, component: Component) -> list[Acl]:
    """All that a component may do."""
    return sorted(set(_acls(settings, component)))


def _acls(settings: Settings, component: Component) -> Iterator[Acl]:
    def topics(operation: Literal["Read", "Write"], *names: str) -> Iterator[Acl]:
        for name in names:
            yield Acl(operation, "topic", full_name(settings, name))

    changelogs = [changelog(settings, table) for table in TABLES]
    if component == "worker":
        yield from topics("Read", *CONSUMED, *WHOLE)
        yield from topics("Write", *WRITTEN)
        for name in changelogs:
            yield Acl("Read", "topic", name)
            yield Acl("Write", "topic", name)
        yield Acl("Read", "group", settings.app)
        # It checks at its start that all topics are there.
        for spec in TOPICS:
            yield Acl("Describe", "topic", full_name(settings, spec.name))
    elif component == "producer":
        yield from topics("Write", *INPUTS)
    elif component == "promoter":
        yield from topics("Write", *PROMOTED)
    elif component == "operator":
        for name in (*(full_name(settings, spec.name) for spec in TOPICS), *changelogs):
            yield Acl("Create", "topic", name)
            yield Acl("Describe", "topic", name)
    else:
        yield from topics("Read", *READERS[component])
        if component == "dashboard":
            yield from topics("Write", *ACKNOWLEDGED)


def command(settings: Settings, acl: Acl, principal: str) -> str:
    """The call of Kafka's own tool that grants it."""
    return (
        f"kafka-acls.sh --bootstrap-server {settings.broker} --add --allow-principal {principal} "
        f"--operation {acl.operation} --{acl.resource} {acl.name}"
    )


@click.command(name="acls")
@click.argument("component", type=click.Choice(COMPONENTS))
@click.option("--principal", required=True, help="Whom to allow, as Kafka names it: User:worker.")
@click.pass_obj
def acls_command(settings: Settings, component: Component, principal: str) -> None:
    """Print the commands that give a component the least rights it needs.

    \b
    stream-app acls worker --principal User:worker
    stream-app acls alerts --principal User:pager
    """
    for acl in acls(settings, component):
        click.echo(command(settings, acl, principal))
