"""A coordinator that has moved away says so, and is not taken for one that knows of no commit."""

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.upstream import committed
from stream_app.messages import topics
from tests.kafka.workers import settings_for


@pytest.mark.slow
async def test_whoever_is_asked_what_is_committed_is_told(cluster: KafkaCluster) -> None:
    committed.install()
    settings = settings_for(cluster, "committed")
    await administration.create(settings)
    where = TopicPartition(topics.full_name(settings, "reviews"), 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=cluster.bootstrap, group_id="group", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([where])
        assert await consumer.committed(where) is None
        await consumer.commit({where: 7})
        coordinator = consumer._coordinator
        known = coordinator.coordinator_id
        for node in cluster.nodes:
            coordinator.coordinator_id = node
            assert await consumer.committed(where) == 7
            assert coordinator.coordinator_id == known
    finally:
        await consumer.stop()
