"""`stream-app tail`: follow a topic in the terminal."""

import click

from stream_app.commands.errors import friendly
from stream_app.settings import Settings, SettingsError, security


@click.command()
@click.argument("topic")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a message.")
@click.option("--from-beginning", is_flag=True)
@click.option("--max", "most", type=int, default=0, help="End after this many; 0: never.")
@click.pass_obj
@friendly
def tail(settings: Settings, topic: str, as_json: bool, from_beginning: bool, most: int) -> None:
    """Follow a topic.

    \b
    stream-app tail alerts
    stream-app tail dead-letters --from-beginning
    stream-app tail analyses --json | jq .sentiment
    """
    import asyncio

    try:
        asyncio.run(print_messages(settings, topic, as_json, from_beginning, most))
    except KeyboardInterrupt:
        click.echo("", err=True)


async def print_messages(
    settings: Settings, topic: str, as_json: bool, from_beginning: bool, most: int
) -> None:
    """Print messages as they come. Raises SettingsError for an unknown topic, KafkaError."""
    from aiokafka import AIOKafkaConsumer
    from rich.console import Console

    from stream_app.messages.rendering import json_line, render
    from stream_app.messages.topics import BY_NAME, LARGE, full_name

    if topic not in BY_NAME:
        raise SettingsError(f"no topic {topic}; there are {', '.join(BY_NAME)}")
    consumer = AIOKafkaConsumer(
        full_name(settings, topic),
        bootstrap_servers=settings.broker,
        auto_offset_reset="earliest" if from_beginning else "latest",
        fetch_max_wait_ms=settings.fetch_wait_ms,
        max_partition_fetch_bytes=LARGE,
        **security(settings),
    )
    console = Console(highlight=False)
    await consumer.start()
    try:
        seen = 0
        async for message in consumer:
            if as_json:
                print(json_line(topic, message.value, message.headers), flush=True)
            else:
                console.print(render(topic, message.key, message.value, message.headers))
            seen += 1
            if most and seen >= most:
                return
    finally:
        await consumer.stop()
