"""The least rights that each component needs on the broker, as Kafka ACLs.

Reading and writing a topic include describing it; an idempotent producer needs no more since
Kafka 2.8. Everything not named is for nobody: run the broker with an authorizer that denies by
default.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, get_args

import click

from stream_app.messages.topics import (
    AGENT_NAMES,
    CONSUMED,
    TABLES,
    TOPICS,
    Client,
    Party,
    Topic,
    changelog,
    full_name,
    read_by,
    written_by,
)
from stream_app.settings import Settings

Component = Literal["worker", "operator", "backup", "restore"] | Client
COMPONENTS: tuple[Component, ...] = ("worker", "operator", "backup", "restore", *get_args(Client))
"""Who gives the dashboard the auditor's rights too sees why letters died on it, and with the
producer's can write reviews there."""


Operation = Literal["Read", "Write", "Create", "Describe", "Delete"]


class Acl(NamedTuple):
    """One thing that a component may do."""

    operation: Operation
    resource: Literal["topic", "group"]
    name: str


def acls(settings: Settings, component: Component) -> list[Acl]:
    """All that a component may do."""
    return sorted(set(_acls(settings, component)))


def _acls(settings: Settings, component: Component) -> Iterator[Acl]:
    def on(operations: Sequence[Operation], *topics: str) -> Iterator[Acl]:
        for topic in topics:
            for operation in operations:
                yield Acl(operation, "topic", topic)

    def full(topics: Iterable[Topic]) -> list[str]:
        return [full_name(settings, topic.name) for topic in topics]

    changelogs = [changelog(settings, table.name) for table in TABLES]
    if component == "operator":
        yield from on(("Create", "Describe"), *full(TOPICS), *changelogs)
        return
    if component == "backup" or component == "restore":
        # What a snapshot holds: what the group takes, and what is compacted.
        held = [t for t in TOPICS if t.compacted or t.name in CONSUMED]
        yield from on(("Read",), *full(held), *changelogs)
        # Restoring it looks whether all topics are there; so does whoever reads their ends.
        yield from on(("Describe",), *full(TOPICS))
        if component == "backup":
            yield Acl("Describe", "group", settings.app)
            return
        yield Acl("Read", "group", settings.app)
        yield from on(("Write",), *full(held), *changelogs)
        # Fillers are removed where compaction does not do it.
        yield from on(("Delete",), *full(t for t in held if not t.compacted))
        return
    if component == "worker":
        parties: tuple[Party, ...] = (*AGENT_NAMES, "worker")
        yield from on(("Read", "Write"), *changelogs)
        yield Acl("Read", "group", settings.app)
        # It checks at its start that all topics are there.
        yield from on(("Describe",), *full(TOPICS))
    else:
        parties = (component,)
    yield from on(("Read",), *full(read_by(*parties)))
    yield from on(("Write",), *full(written_by(*parties)))


def command(settings: Settings, acl: Acl, principal: str) -> str:
    """The call of Kafka's own tool that grants it."""
    return (
        f"kafka-acls.sh --bootstrap-server {settings.broker} --add --allow-principal {principal} "
        f"--operation {acl.operation} --{acl.resource} {acl.name}"
    )


@click.command(name="acls")
@click.argument("component", type=click.Choice(COMPONENTS))
@click.option("--principal", required=True, help="Whom to allow, as Kafka names it: User:worker.")
@click.option("--strimzi", metavar="CLUSTER", help="A KafkaUser of this Kafka resource instead.")
@click.pass_obj
def acls_command(
    settings: Settings, component: Component, principal: str, strimzi: str | None
) -> None:
    """Print the commands that give a component the least rights it needs.

    \b
    stream-app acls worker --principal User:worker
    stream-app acls alerts --principal User:pager
    stream-app acls worker --principal User:worker --strimzi reviews | kubectl -n kafka apply -f -
    """
    if strimzi is not None:
        from stream_app.commands.strimzi import printed, user

        rights = acls(settings, component)
        click.echo(printed([user(settings, rights, principal, strimzi)]))
        return
    for acl in acls(settings, component):
        click.echo(command(settings, acl, principal))
