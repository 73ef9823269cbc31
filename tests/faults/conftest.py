"""Three nodes of Apache Kafka, and a network that can be cut where this machine allows it."""

from collections.abc import Iterator

import pytest

from stream_app.broker.kafka import KafkaCluster, KafkaUnavailable
from tests import needs
from tests.faults.network import Network


@pytest.fixture
def network() -> Iterator[Network | None]:
    if Network.possible():
        yield None
        return
    made = Network()
    made.up()
    yield made
    made.down()


@pytest.fixture
def cluster(network: Network | None, request: pytest.FixtureRequest) -> Iterator[KafkaCluster]:
    # The session's own node says whether Kafka can run here, and fails where it must.
    request.getfixturevalue("kafka")
    made = KafkaCluster(3, host=network.host) if network else KafkaCluster(3)
    try:
        made.start()
    except KafkaUnavailable as reason:
        needs.unavailable(str(reason))
    yield made
    made.stop()
