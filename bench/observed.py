"""What the broker tells of one app: its topics, and how far its consumer group is."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream_app.delivery import administration
from stream_app.messages import topics
from stream_app.messages.topics import full_name
from stream_app.settings import Settings


class Observed:
    """An app seen from outside; connected between `prepare` and `clear`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._consumer: AIOKafkaConsumer = AIOKafkaConsumer(bootstrap_servers=settings.broker)
        self._admin: AIOKafkaAdminClient = AIOKafkaAdminClient(bootstrap_servers=settings.broker)

    async def prepare(self, stamped: Sequence[str] = ()) -> None:
        """Connect and create the topics, `stamped` ones with the broker's timestamps."""
        await self._admin.start()
        await self._consumer.start()
        layout = topics.layout(self.settings)
        by_broker = {"message.timestamp.type": "LogAppendTime"}
        names = [full_name(self.settings, topic) for topic in stamped]
        await self._admin.create_topics([
            NewTopic(name, self.settings.partitions, 1, topic_configs=layout[name] | by_broker)
            for name in names
        ])  # fmt: skip
        await administration.create(self.settings)

    async def clear(self) -> None:
        """Remove the topics and disconnect."""
        await self._admin.delete_topics(list(topics.layout(self.settings)))
        await self._consumer.stop()
        await self._admin.close()

    def partitions(self, topic: str) -> list[TopicPartition]:
        """Of a topic by its short name."""
        name = full_name(self.settings, topic)
        return [TopicPartition(name, number) for number in range(self.settings.partitions)]

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """Messages that each partition has had, ever."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(self.partitions(topic))
        return found

    async def stored(self, topic: str) -> int:
        """Messages that a topic has had, ever."""
        return sum((await self.ends(topic)).values())

    async def committed(self, topic: str) -> list[int]:
        """What the group has done of each partition."""
        held = await self._admin.list_consumer_group_offsets(self.settings.app)
        return [max(held[tp].offset, 0) if tp in held else 0 for tp in self.partitions(topic)]
