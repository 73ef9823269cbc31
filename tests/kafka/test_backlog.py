"""A worker that starts on a backlog of reviews recommends from the first ones on."""

import time
from pathlib import Path

import msgspec
import pytest

from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from tests.kafka.load import events
from tests.kafka.workers import WorkerProcess, drained, read_all, settings_for

COUNT = 2000


@pytest.mark.timeout(150)
async def test_recommendations_do_not_wait_for_a_backlog_of_reviews(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    """One fetch brings all that was laid up, and many times what the agent takes at once."""
    settings = msgspec.structs.replace(settings_for(kafka, "backlog"), batch_rows=16)
    await administration.create(settings)
    laid_up = [record for record in events(COUNT, until=time.time()) if record.topic == "reviews"]
    await send_all(settings, laid_up, lambda _: None)
    worker = WorkerProcess(settings, tmp_path, "one")
    try:
        worker.start()
        await drained(settings, [worker], 120)
    finally:
        worker.kill()
    stored = {
        topic: sorted(m.timestamp for m in await read_all(settings, settings.prefix + topic))
        for topic in ("analyses", "recommendations")
    }
    first = stored["recommendations"][0]
    before = sum(analysed <= first for analysed in stored["analyses"])
    assert before < COUNT / 4, f"{before} of {COUNT} analysed before the first recommendation"
