"""The consumer group from outside: its members, and what it has committed."""

from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from stream_app.delivery.upstream import committed as mended
from stream_app.messages.topics import CONSUMED, full_name
from stream_app.settings import Settings, security


class GroupError(RuntimeError):
    """The group is not in the state that is needed; the message says what to do."""


def sources(settings: Settings, topics: Iterable[str] = CONSUMED) -> list[TopicPartition]:
    """All partitions of topics by their short names, by default of those that the group takes."""
    names = [full_name(settings, topic) for topic in topics]
    return [TopicPartition(name, number) for name in names for number in range(settings.partitions)]


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    mended.install()  # else a coordinator that is loading looks like a group without offsets
    return AIOKafkaConsumer(
        bootstrap_servers=settings.broker,
        group_id=settings.app,
        enable_auto_commit=False,
        **security(settings),
    )


async def committed(
    settings: Settings, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int | None]:
    """The first message of each partition that is not committed; None where nothing ever was.
    Joins no group. Raises KafkaError."""
    consumer = _consumer(settings)
    await consumer.start()
    try:
        return {tp: await consumer.committed(tp) for tp in partitions}
    finally:
        await consumer.stop()


async def commit(settings: Settings, offsets: Mapping[TopicPartition, int]) -> None:
    """Set what the group has committed; the broker refuses while it has members. Raises
    KafkaError."""
    consumer = _consumer(settings)
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(dict(offsets))
    finally:
        await consumer.stop()


async def require_empty(settings: Settings) -> None:
    """Raises GroupError while the group has members, KafkaError."""
    # Asked for offsets the broker makes their topic, without which it knows of no group.
    await committed(settings, sources(settings)[:1])
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker, **security(settings))
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups([settings.app])
    finally:
        await admin.close()
    ((_, _, state, _, _, members, *_),) = response.groups
    if members:
        raise GroupError(
            f"group {settings.app} is {state} with {len(members)} members: stop its workers; one "
            f"that ended without a word is a member for {settings.session_timeout:g} s more"
        )
