"""The topics on the broker: making what is missing, looking at what is there."""

from stream_app.messages.topics import layout
from stream_app.settings import Settings, security


class TopicsError(RuntimeError):
    """The topics on the broker do not fit the settings; the message says which."""


async def create(settings: Settings) -> list[str]:
    """Create what is missing; the names created. Raises aiokafka errors."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker, **security(settings))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        wanted = {n: c for n, c in layout(settings).items() if n not in existing}
        if wanted:
            response = await admin.create_topics(
                [
                    NewTopic(name, settings.partitions, settings.replication, topic_configs=config)
                    for name, config in wanted.items()
                ]
            )
            failed = [e for e in response.topic_errors if e[1] not in (0, 36)]  # 36: exists
            if failed:
                raise RuntimeError(f"topics not created: {failed}")
        return sorted(wanted)
    finally:
        await admin.close()


async def partitions(settings: Settings) -> dict[str, int]:
    """How many partitions each of our topics has on the broker; 0: not there."""
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker, **security(settings))
    await admin.start()
    try:
        described = await admin.describe_topics(list(layout(settings)))
        counts = {d["topic"]: len(d["partitions"]) for d in described if d["error_code"] == 0}
        return {name: counts.get(name, 0) for name in layout(settings)}
    finally:
        await admin.close()


async def members(settings: Settings) -> int:
    """How many workers are in the group now. Raises KafkaError."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import for_code

    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker, **security(settings))
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups([settings.app])
        ((code, _, _, _, _, members, *_),) = response.groups
        if code:
            raise for_code(code)(settings.app)
        return len(members)
    finally:
        await admin.close()


async def check(settings: Settings) -> None:
    """All topics are there with the settings' partitions; raises TopicsError."""
    counts = await partitions(settings)
    missing = sorted(name for name, count in counts.items() if not count)
    if missing:
        raise TopicsError(f"no topic {', '.join(missing)}: run `stream-app topics create`")
    wrong = {n: c for n, c in counts.items() if c != settings.partitions}
    if wrong:
        raise TopicsError(f"partitions: settings say {settings.partitions}, the broker {wrong}")
