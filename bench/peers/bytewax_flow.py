"""Bytewax: what a poll of one partition gave is a batch, offsets are in its recovery store."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from bench.peers.job import Job, librdkafka, message
from stream_app import settings as settings_module

EPOCH = timedelta(seconds=1)
"""Between two snapshots of the offsets."""


def main() -> None:
    """Serve until SIGTERM."""
    settings = settings_module.load()
    job = Job(settings)

    def analyse(batch: list[Any]) -> Iterable[Any]:
        messages = [
            message(m.partition, m.offset, m.key, m.value, m.timestamp[1] / 1000) for m in batch
        ]
        return [KafkaSinkMessage(record.key, record.value) for record in job(messages)]

    brokers = settings.broker.split(",")
    flow = Dataflow("peers")
    reviews = op.input("reviews", flow, KafkaSource(brokers, [job.reviews], batch_size=job.rows))
    analyses = op.flat_map_batch("analyse", reviews, analyse)
    op.output("analyses", analyses, KafkaSink(brokers, job.analyses, librdkafka(settings)))
    recovery = Path(settings.data_dir) / "recovery"
    if not recovery.exists():
        recovery.mkdir()
        init_db_dir(recovery, 1)
    cli_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(recovery))


if __name__ == "__main__":
    main()
