"""Looks for what must not be there in all that was written: topics, logs, the tables' files.

Only what a producer sent may hold personal data: the input topics, and a dead letter's key, value
and headers as received. Passwords may be nowhere. A finding names the place and what was found
there by its name, never by its content.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import rocksdict
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from stream_app.messages.topics import INPUTS, LARGE
from stream_app.settings import Settings, security

TOLD = "__connect.errors."
"""What headers of a dead letter begin with that the worker writes."""


class Finding(NamedTuple):
    place: str
    what: str


def search(data: bytes | None, planted: Mapping[str, str]) -> Iterator[str]:
    """Names of what is in there, as written or with its gaps closed."""
    if data:
        for name, text in planted.items():
            if text.encode() in data or text.replace(" ", "").encode() in data:
                yield name


async def in_topics(
    settings: Settings, secrets: Mapping[str, str], personal: Mapping[str, str]
) -> tuple[int, list[Finding]]:
    """All messages of all topics that the user of the settings sees, and what is in them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker, **security(settings))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker, max_partition_fetch_bytes=LARGE, **security(settings)
    )
    await admin.start()
    await consumer.start()
    count, found = 0, []
    try:
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics()
            for partition in topic["partitions"]
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for tp, messages in (await consumer.getmany(timeout_ms=500)).items():
                for message in messages:
                    count += 1
                    found += list(_in_message(tp.topic, message, secrets, personal))
    finally:
        await consumer.stop()
        await admin.close()
    return count, found


def _in_message(
    topic: str, message: object, secrets: Mapping[str, str], personal: Mapping[str, str]
) -> Iterator[Finding]:
    name = topic.rpartition(".")[2]
    both = {**secrets, **personal}
    for part in ("key", "value"):
        sought = secrets if name in (*INPUTS, "dead-letters") else both
        for what in search(getattr(message, part), sought):
            yield Finding(f"{part} in {topic}", what)
    for header, data in getattr(message, "headers", ()):
        received = name in INPUTS or (name == "dead-letters" and not header.startswith(TOLD))
        for what in search(data, secrets if received else both):
            yield Finding(f"header {header} in {topic}", what)


def in_files(folder: Path, planted: Mapping[str, str]) -> Iterator[Finding]:
    """What is in files, and in the records of RocksDB's folders, whose blocks are compressed."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        for what in search(path.read_bytes(), planted):
            yield Finding(str(path), what)
        if path.name == "CURRENT":
            for what in _in_table(path.parent, planted):
                yield Finding(f"a record in {path.parent}", what)


def _in_table(folder: Path, planted: Mapping[str, str]) -> Iterator[str]:
    options = rocksdict.Options(raw_mode=True)
    table = rocksdict.Rdict(str(folder), options, access_type=rocksdict.AccessType.read_only())
    try:
        for key, value in table.items():
            yield from search(key, planted)
            yield from search(value, planted)
    finally:
        table.close()
