"""`stream-app broker`: one to play with."""

import click

from stream_app.commands.errors import friendly


@click.command()
@click.option("--kafka", is_flag=True, help="Apache Kafka from its Maven jars; needs a JDK 17+.")
@click.option("--nodes", type=click.IntRange(1, 9), default=1, show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: any free one.")
@friendly
def broker(kafka: bool, nodes: int, port: int | None) -> None:
    """Run a broker on loopback until Ctrl-C. Data is not kept.

    \b
    stream-app broker --port 9092
    stream-app broker --kafka --nodes 3
    """
    from stream_app.broker import serve
    from stream_app.broker.embedded import EmbeddedBroker
    from stream_app.broker.kafka import KafkaCluster

    if nodes > 1 and not kafka:
        raise click.UsageError("--nodes needs --kafka: the embedded broker is a single one")
    serve(KafkaCluster(nodes, port=port) if kafka else EmbeddedBroker(port))
