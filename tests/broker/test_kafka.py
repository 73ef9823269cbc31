import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream_app.broker import BrokerError, KafkaUnavailable
from stream_app.broker.jars import jars, java
from stream_app.broker.kafka import PROPERTIES, VERSION, KafkaCluster, properties
from stream_app.broker.probe import live_nodes
from tests import needs
from tests.broker.traffic import SECONDS, make_topic, read, round_trip, send


async def test_a_thousand_messages_arrive(kafka: KafkaCluster) -> None:
    await round_trip(kafka.bootstrap, "kafka-round-trip")


async def test_topic_configs_are_visible(kafka: KafkaCluster) -> None:
    given = {
        "cleanup.policy": "compact",
        "retention.ms": "86400000",
        "min.cleanable.dirty.ratio": "0.1",
    }
    await make_topic(kafka.bootstrap, "configured", configs=given)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        asked = ConfigResource(ConfigResourceType.TOPIC, "configured")
        (answer,) = await admin.describe_configs([asked])
    finally:
        await admin.close()
    entries = {entry[0]: entry[1] for _, _, _, _, values in answer.resources for entry in values}
    assert {name: entries[name] for name in given} == given


async def test_an_unknown_topic_is_not_created(kafka: KafkaCluster) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.describe_topics(["misspelt"])
        assert "misspelt" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_an_aborted_transaction_is_not_read(kafka: KafkaCluster) -> None:
    await make_topic(kafka.bootstrap, "transactions", partitions=1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id="t")
    async with asyncio.timeout(SECONDS), producer:
        with pytest.raises(ZeroDivisionError):
            async with producer.transaction():
                await producer.send_and_wait("transactions", b"aborted")
                raise ZeroDivisionError
        async with producer.transaction():
            await producer.send_and_wait("transactions", b"committed")
    values = await read(kafka.bootstrap, "transactions", 1, isolation_level="read_committed")
    assert values == [b"committed"]


@pytest.mark.broker
@pytest.mark.slow
async def test_three_nodes_survive_the_loss_of_one() -> None:
    try:
        java(), jars(VERSION)
    except KafkaUnavailable as reason:
        needs.unavailable(str(reason))
    with KafkaCluster(nodes=3) as cluster:
        assert len(cluster.bootstrap.split(",")) == 3
        await make_topic(cluster.bootstrap, "replicated", partitions=6, copies=3)
        await send(cluster.bootstrap, "replicated", 500)
        cluster.kill(2)
        cluster.check()
        await send(cluster.bootstrap, "replicated", 500, start=500)
        values = await read(cluster.bootstrap, "replicated", 1_000)
        # A retry after the loss may write twice; nothing may be missing.
        assert set(values) == {b"value-%d" % n for n in range(1_000)}
        cluster.start_node(2)
        port = int(cluster.bootstrap.split(",")[1].rpartition(":")[2])
        assert live_nodes(port) == {1, 2, 3}
        await send(cluster.bootstrap, "replicated", 10, start=1_000)


async def test_data_outlives_a_restart_in_a_given_folder(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    with KafkaCluster(directory=tmp_path) as first:
        await make_topic(first.bootstrap, "kept")
        await send(first.bootstrap, "kept", 10)
    with KafkaCluster(directory=tmp_path) as second:
        assert second.bootstrap != first.bootstrap
        assert len(await read(second.bootstrap, "kept", 10)) == 10


def test_replication_follows_the_number_of_nodes() -> None:
    assert properties(1) == PROPERTIES
    five = properties(5)
    assert five["default.replication.factor"] == five["offsets.topic.replication.factor"] == "3"
    assert five["min.insync.replicas"] == five["transaction.state.log.min.isr"] == "2"
    assert properties(2)["offsets.topic.replication.factor"] == "2"


def test_an_old_java_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(KafkaUnavailable, match=r"JDK 17 or newer .*java is 8.*JAVA_HOME"):
        java()


def test_no_java_and_no_maven_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("STREAM_APP_CACHE", str(tmp_path))
    with pytest.raises(KafkaUnavailable, match="no java found"):
        java()
    with pytest.raises(KafkaUnavailable, match="install maven"):
        jars(VERSION)


def test_two_that_need_the_jars_fetch_them_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    # Stands in for Maven: writes one jar where the last argument says.
    maven.write_text(
        f"#!/bin/sh\necho called >> {calls}\nfor last; do :; done\n"
        'mkdir "${last#*=}" && sleep 0.3 && touch "${last#*=}/kafka.jar"\n'
    )
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{maven.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STREAM_APP_CACHE", str(tmp_path / "cache"))
    with ThreadPoolExecutor() as pool:
        found = [*pool.map(jars, [VERSION, VERSION])]
    assert found[0] == found[1]
    assert [path.name for path in found[0].iterdir()] == ["kafka.jar"]
    assert calls.read_text() == "called\n"


def test_a_failed_fetch_leaves_nothing_half_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text("#!/bin/sh\necho '[ERROR] Unknown host'; exit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{maven.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STREAM_APP_CACHE", str(tmp_path / "cache"))
    with pytest.raises(KafkaUnavailable, match=r"Maven Central reachable.*Unknown host"):
        jars(VERSION)
    assert [p.name for p in (tmp_path / "cache" / "kafka").iterdir()] == [f"{VERSION}.lock"]


def test_a_node_that_cannot_start_is_reported(
    kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(PROPERTIES, "broker.heartbeat.interval.ms", "often")
    with pytest.raises(BrokerError, match=r"^Kafka .*often") as caught:
        KafkaCluster(directory=tmp_path).start()
    assert "\n" not in str(caught.value)


async def test_a_folder_serves_one_cluster_at_a_time(kafka: KafkaCluster) -> None:
    with pytest.raises(BrokerError, match=r"^another Kafka runs in "):
        KafkaCluster(directory=kafka.log_dir).start()
    kafka.check()
