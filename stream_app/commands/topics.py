"""`stream-app topics`: create, list and print them."""

import asyncio

import click

from stream_app.commands.errors import friendly
from stream_app.settings import Settings


@click.group()
def topics() -> None:
    """Create, list and print the topics."""


@topics.command("create")
@click.pass_obj
@friendly
def topics_create(settings: Settings) -> None:
    """Create what is missing; what exists is left as it is."""
    from stream_app.delivery import administration

    created = asyncio.run(administration.create(settings))
    click.echo(f"created {', '.join(created)}" if created else "all topics are there")


@topics.command("strimzi")
@click.option("--cluster", required=True, metavar="NAME", help="Of the Kafka resource.")
@click.pass_obj
@friendly
def topics_strimzi(settings: Settings, cluster: str) -> None:
    """Print every topic as a KafkaTopic of Strimzi; the broker is not asked.

    \b
    stream-app topics strimzi --cluster reviews | kubectl -n kafka apply -f -
    """
    from stream_app.commands import strimzi

    click.echo(strimzi.printed(strimzi.topics(settings, cluster)))


@topics.command("list")
@click.pass_obj
@friendly
def topics_list(settings: Settings) -> None:
    """Every topic, its key, its writer and its partitions on the broker."""
    from stream_app.delivery import administration
    from stream_app.messages.topics import TOPICS, full_name

    counts = asyncio.run(administration.partitions(settings))
    for topic in TOPICS:
        name = full_name(settings, topic.name)
        kept = "compacted" if topic.compacted else "by time"
        click.echo(
            f"{name:<24} {counts[name]:>3} partitions  key {topic.key:<12} {kept:<10} "
            f"written by {', '.join(topic.writers)}"
        )
