"""A short run against Apache Kafka; `python -m bench.hostile --broker` is the long one."""

import pytest

from bench.hostile_broker import through
from stream_app.broker.kafka import KafkaCluster

GROWTH = 400
"""MiB that bombs may add while they are read: bounds of fetches and queues, see
`stream_app.delivery.upstream.unpacking`. Unbounded, those of this run take more than 2 GiB."""


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_worker_outlives_what_only_a_broker_brings(kafka: KafkaCluster) -> None:
    found = await through(kafka, 2000, 5, big=False, seconds=180)
    assert (found["unaccounted"], found["twice"], found["lag"], found["exit_code"]) == (0, 0, 0, 0)
    account, letters = found["account"], found["dead_letters"]
    for topic in ("reviews", "behaviours", "items"):
        # Both ways are taken, else the test would prove nothing.
        assert 0 < account[f"{topic} refused"] < account[f"{topic} in"]
    # Bombs and names without UTF-8 came, and letters too large for their topic.
    assert len([reason for reason in letters if "cannot be read" in reason]) == 2
    assert letters["cut"] > 0
    memory = found["memory_mib"]
    assert memory["most"] < memory["start"] + GROWTH
