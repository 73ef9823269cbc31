"""Each component can do its work with the rights of the table, and nothing else."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
)
from click.testing import CliRunner

from stream_app.broker import BrokerError
from stream_app.broker.process import free_ports
from stream_app.commands import access
from stream_app.commands.access import Acl
from stream_app.commands.main import main
from stream_app.commands.state import KEPT, versions
from stream_app.dashboard.publisher import Publisher
from stream_app.dashboard.reader import Reader
from stream_app.delivery.export import export
from stream_app.delivery.restore import restore
from stream_app.messages.topics import TABLES, TOPICS, changelog, full_name
from stream_app.settings import Settings, security
from stream_app.text.mask import Masker
from tests.kafka.workers import WorkerProcess, read_all, until

As = Callable[..., Settings]


DENIED = 29
"""Kafka's code for a topic that one may not even know of."""


async def knows(settings: Settings, topic: str) -> bool:
    """Whether the broker describes the topic; aiokafka waits for ever for one it does not."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker, **security(settings))
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
        assert described["error_code"] in (0, DENIED)
        return bool(described["error_code"] == 0)
    finally:
        await admin.close()


async def may_read(settings: Settings, topic: str) -> bool:
    if not await knows(settings, topic):
        return False
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, **security(settings))
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        await consumer.getmany(partition, timeout_ms=300)
        return True
    except TopicAuthorizationFailedError:
        return False
    finally:
        await consumer.stop()


async def may_write(settings: Settings, topic: str) -> bool:
    if not await knows(settings, topic):
        return False
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker, enable_idempotence=True, **security(settings)
    )
    try:
        await producer.start()
        await producer.send_and_wait(topic, b"x", b"k")
        return True
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        # The second: who may write nothing may not be an idempotent producer either.
        return False
    finally:
        await producer.stop()


def everything(settings: Settings) -> list[str]:
    return [
        *(full_name(settings, topic.name) for topic in TOPICS),
        *(changelog(settings, table.name) for table in TABLES),
    ]


async def allowed(settings: Settings, may: Callable[[Settings, str], Awaitable[bool]]) -> set[str]:
    return {topic for topic in everything(settings) if await may(settings, topic)}


@pytest.mark.parametrize("component", [*access.COMPONENTS, "stranger"])
async def test_a_component_reads_and_writes_what_the_table_says(
    as_user: As, component: str
) -> None:
    settings = as_user(component)
    table = access.acls(settings, component) if component in access.COMPONENTS else []
    for operation, may in (("Read", may_read), ("Write", may_write)):
        wanted = {a.name for a in table if (a.operation, a.resource) == (operation, "topic")}
        assert await allowed(settings, may) == wanted


async def test_an_alert_subscriber_cannot_read_dead_letters(as_user: As) -> None:
    settings = as_user("alerts")
    assert await may_read(settings, "guarded.alerts")
    assert not await may_read(settings, "guarded.dead-letters")
    assert not await may_read(settings, "guarded.reviews")


async def test_nobody_but_a_worker_joins_its_group(as_user: As) -> None:
    settings = as_user("dashboard")
    consumer = AIOKafkaConsumer(
        "guarded.alerts", bootstrap_servers=settings.broker, group_id="guarded",
        **security(settings),
    )  # fmt: skip
    with pytest.raises(GroupAuthorizationFailedError):
        async with consumer:
            await consumer.getone()


async def test_a_wrong_password_and_plain_text_are_refused(as_user: As) -> None:
    wrong = msgspec.structs.replace(as_user("worker"), sasl_password="guessed")
    with pytest.raises((AuthenticationFailedError, KafkaConnectionError)):
        await may_read(wrong, "guarded.alerts")
    plain = msgspec.structs.replace(wrong, security="PLAINTEXT")
    with pytest.raises(KafkaConnectionError):
        await may_read(plain, "guarded.alerts")


async def test_a_worker_with_least_rights_does_the_whole_job(as_user: As, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = msgspec.structs.replace(as_user("worker", "job"), http_port=port)
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    producer = as_user("producer", "job")
    try:
        sending = AIOKafkaProducer(bootstrap_servers=producer.broker, **security(producer))
        async with sending:
            item = {"item_id": "p1", "title": "Power bank"}
            review = {
                "review_id": "r1", "user_id": "u1", "item_id": "p1", "time": time.time(),
                "text": "充电的时候着火了，太危险了！电话 13800138000",
            }  # fmt: skip
            for topic, key, value in (("items", b"p1", item), ("reviews", b"r1", review)):
                await sending.send_and_wait(f"job.{topic}", json.dumps(value).encode(), key)
            await sending.send_and_wait("job.reviews", b"not json", b"bad")

        async def done() -> bool:
            assert worker.alive(), worker.said()
            counts = [
                len(await read_all(as_user(reader, "job"), f"job.{topic}"))
                for reader, topic in (
                    ("alerts", "alerts"), ("dashboard", "recommendations"),
                    ("dashboard", "trends"), ("auditor", "dead-letters"),
                )
            ]  # fmt: skip
            return all(counts)

        await until(done, 90, "alert, recommendation, trend and dead letter")
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    # Neither password nor personal data in what it logged.
    said = worker.log.read_text(encoding="utf-8")
    assert settings.sasl_password not in said
    assert "13800138000" not in said


def test_the_commands_are_printed() -> None:
    done = CliRunner().invoke(main, ["acls", "alerts", "--principal", "User:pager"])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "kafka-acls.sh --bootstrap-server 127.0.0.1:9092 --add --allow-principal User:pager "
        "--operation Read --topic alerts"
    ]


async def test_a_dashboard_with_least_rights_leaves_out_what_it_may_not(
    as_user: As, allow: Callable[..., Awaitable[None]]
) -> None:
    settings = as_user("dashboard", "job")
    # It may know of the dead letters, and still not read them.
    await allow(Acl("Describe", "topic", "job.dead-letters"), "dashboard")
    reader, publisher = Reader(settings, Masker()), Publisher(settings)
    reading = asyncio.create_task(reader.run())
    try:
        await publisher.acknowledge("severe:r1")

        async def told() -> bool:
            return reader.live and reader.state.acknowledged("severe:r1")

        await until(told, 30, "the acknowledgement is read")
        assert not reader.reads("dead-letters")
        assert "reviews" not in reader.known
    finally:
        reading.cancel()
        await publisher.stop()
    with pytest.raises(BrokerError, match="stream-app acls dashboard"):
        await Reader(as_user("auditor", "job"), Masker()).check()


async def test_who_may_backup_exports_and_who_may_restore_imports(
    as_user: As, tmp_path: Path
) -> None:
    path = tmp_path / "state.gz"
    exported = await export(as_user("backup"), path, KEPT, lambda _: None)
    # Who may write nothing may not be an idempotent producer either.
    with pytest.raises(ClusterAuthorizationFailedError):
        await restore(as_user("backup"), path, versions(), True, lambda _: None)
    await restore(as_user("restore"), path, versions(), True, lambda _: None)
    again = await export(as_user("backup"), path, KEPT, lambda _: None)
    assert again.footer.counts == exported.footer.counts
    assert again.footer.places == exported.footer.places
