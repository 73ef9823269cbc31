"""A snapshot file back onto the broker: into topics that are new, or into those that it is of.

Into new topics everything returns to the offsets that it had. Records of the tables say up to
which offset of a source they have applied its messages, and ids are made of offsets: in a topic
that began at 0 again, they would take new messages for old ones. So the offsets go on where they
ended: fillers come first, then what is pending, and then whatever producers send.

Tables are written under a claim, as by any owner: a worker that still writes is found out.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from stream_app.delivery import administration, group
from stream_app.delivery.consumer import standalone_consumer
from stream_app.delivery.export import Progress, last, records
from stream_app.delivery.outbox import MAX_REQUEST
from stream_app.delivery.ownership import CLAIM_KEY, token, token_headers
from stream_app.delivery.snapshot import Contents, Entry, SnapshotError, check, entries
from stream_app.delivery.upstream import unpacking
from stream_app.messages.message import FILLER, Headers
from stream_app.messages.topics import BY_NAME, CONSUMED, TABLES, changelog, full_name
from stream_app.settings import Settings, security

_Part = tuple[str, int]
"""Name of a table or topic, and partition."""


Report = dict[str, int]
"""What was done, by name: records written, offsets passed over, messages that come again."""


def judge(settings: Settings, contents: Contents, known: Mapping[str, int], force: bool) -> None:
    """Whether a file fits the settings and this version. `known`: by table the newest version of
    records that can be read; tables whose records have none are not in it. Raises SnapshotError."""
    header, footer = contents
    if header.partitions != settings.partitions:
        raise SnapshotError(
            f"the snapshot has {header.partitions} partitions, the settings {settings.partitions}: "
            "a record's partition follows from its key, so both must be the same"
        )
    names = {table.name for table in TABLES}
    if strange := sorted(set(header.tables) - names):
        raise SnapshotError(f"this version has no table {', '.join(strange)}")
    if strange := sorted({*header.topics, *footer.places} - BY_NAME.keys()):
        raise SnapshotError(f"this version has no topic {', '.join(strange)}")
    if missing := sorted(set(CONSUMED) - footer.places.keys()):
        raise SnapshotError(f"the snapshot lacks the offsets of {', '.join(missing)}")
    for table, versions in footer.versions.items():
        newest = known.get(table, 0)
        if versions and versions[-1] > newest:
            raise SnapshotError(
                f"the {table} table has records of version {versions[-1]}, this version reads up "
                f"to {newest}: import with the stream-app that wrote them, or a later one"
            )
    if header.app != settings.app and not force:
        raise SnapshotError(
            f"the snapshot is of {header.app}, the settings name {settings.app}: say --force to "
            "import it all the same"
        )


async def restore(
    settings: Settings, path: Path, known: Mapping[str, int], force: bool, progress: Progress
) -> Report:
    """Import a file. Without `force` nothing is written over. Raises SnapshotError, GroupError,
    TopicsError, KafkaError."""
    contents = check(path)
    judge(settings, contents, known, force)
    unpacking.install()
    await administration.check(settings)
    await group.require_empty(settings)
    async with standalone_consumer(settings) as consumer, _producer(settings) as producer:
        work = _Restore(settings, path, contents, consumer, producer, progress)
        await work.prepare(force)
        await work.write()
    await work.drop_fillers()
    await group.commit(settings, work.committed())
    return work.report


class _Restore:
    """One import."""

    def __init__(
        self,
        settings: Settings,
        path: Path,
        contents: Contents,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._path = path
        self._header, self._footer = contents
        self._consumer = consumer
        self._producer = producer
        self._progress = progress
        self._new: set[_Part] = set()
        """Partitions of sources that are empty: their offsets are to go on."""
        self._ends: dict[_Part, int] = {}
        """Where such a partition ends, as far as it is written."""
        self._stale: dict[_Part, set[bytes]] = {}
        """Keys of what is there and will be replaced."""
        self._tokens: dict[_Part, int] = {}
        self.report: Report = {}

    def committed(self) -> dict[TopicPartition, int]:
        """What the group has done, now that the tables are those of the snapshot."""
        return {
            TopicPartition(full_name(self._settings, topic), number): place.committed
            for topic, places in self._footer.places.items()
            for number, place in places.items()
        }

    async def prepare(self, force: bool) -> None:
        """Look at what is there. Raises SnapshotError before anything is written."""
        for topic, places in self._footer.places.items():
            for number in places:
                await self._compare(topic, number)
        kept = [topic for topic in self._header.topics if topic not in CONSUMED]
        full = []
        for name in [*self._header.tables, *kept]:
            for number in range(self._settings.partitions):
                await self._read_keys(name, number)
            if any(self._stale[name, number] for number in range(self._settings.partitions)):
                full.append(name)
        if full and not force:
            raise SnapshotError(
                f"{', '.join(full)} are not empty: --force replaces what they hold by the snapshot"
            )

    async def _compare(self, topic: str, number: int) -> None:
        """Whether a source is the one that the snapshot is of, or new."""
        place = self._footer.places[topic][number]
        tp = self._tp(topic, number)
        end = (await self._consumer.end_offsets([tp]))[tp]
        if end == 0:
            self._new.add((topic, number))
            self._ends[topic, number] = 0
            return
        if end >= place.end:
            found = await last(self._consumer, tp, place.end)
            if found is None or place.last is None or found == place.last:
                kept = (await self._consumer.beginning_offsets([tp]))[tp]
                again = max(end - max(place.committed, kept), 0)
                self._count(f"{topic}: messages that come again", again)
                self._count(f"{topic}: messages no more kept", max(kept - place.committed, 0))
                return
        raise SnapshotError(
            f"{tp.topic}/{number} ends at {end} and is another topic than the snapshot's, which "
            f"ended at {place.end}: delete it, `stream-app topics create`, import, and let "
            "producers send only then"
        )

    async def _read_keys(self, name: str, number: int) -> None:
        tp = self._tp(name, number)
        end = (await self._consumer.end_offsets([tp]))[tp]
        keys: set[bytes] = set()
        highest = 0
        async for record in records(self._consumer, tp, 0, end):
            highest = max(highest, token(record.headers))
            if record.value is not None and record.key is not None:
                keys.add(record.key)
            else:
                keys.discard(record.key or b"")
        self._stale[name, number] = keys - {CLAIM_KEY}
        self._tokens[name, number] = highest

    async def write(self) -> None:
        """Everything, in the order of the file."""
        for table in self._header.tables:
            for number in range(self._settings.partitions):
                self._tokens[table, number] += 1
                claim = self._tokens[table, number]
                record = Entry("table", table, number, CLAIM_KEY, str(claim).encode())
                await self._append(table, number, [record])
        parts = groupby(entries(self._path), lambda e: (e.kind, e.name, e.partition))
        for (kind, name, number), found in parts:
            if kind == "pending":
                await self._return(name, number, found)
            elif kind == "table" or name not in CONSUMED:
                await self._replace(name, number, found)
            elif (name, number) in self._new:
                await self._keep(name, number, found)
        for (name, number), keys in self._stale.items():
            gone = [Entry("topic", name, number, key) for key in sorted(keys)]
            await self._append(name, number, gone)
            self._count(f"{name}: removed", len(gone))
        for topic, number in self._new:
            await self._fill(topic, number, self._footer.places[topic][number].committed)

    async def _replace(self, name: str, number: int, found: Iterable[Entry]) -> None:
        for some in _chunks(found):
            self._stale[name, number].difference_update(entry.key or b"" for entry in some)
            await self._append(name, number, some)
            self._count(f"{name}: records", len(some))

    async def _keep(self, topic: str, number: int, found: Iterable[Entry]) -> None:
        """The newest of each key of a compacted source end where the pending messages begin."""
        held = list(found)
        await self._fill(topic, number, self._footer.places[topic][number].committed - len(held))
        self._ends[topic, number] = await self._append(topic, number, held)
        self._count(f"{topic}: records", len(held))

    async def _return(self, topic: str, number: int, found: Iterable[Entry]) -> None:
        """Pending messages to the offsets that they had."""
        if (topic, number) not in self._new:
            return
        for some in _chunks(found):
            # Offsets have gaps where something was compacted away.
            for _, run in groupby(enumerate(some), lambda pair: pair[1].offset - pair[0]):
                together = [entry for _, entry in run]
                await self._fill(topic, number, together[0].offset)
                end = await self._append(topic, number, together)
                if end != together[-1].offset + 1:
                    raise SnapshotError(f"somebody else writes into {topic}/{number}")
                self._ends[topic, number] = end
            self._count(f"{topic}: pending messages", len(some))

    async def _fill(self, topic: str, number: int, until: int) -> None:
        """Let a partition go on at an offset. A million fillers take about a second."""
        tp = self._tp(topic, number)
        missing = until - self._ends[topic, number]
        self._count("offsets passed over", max(missing, 0))
        while missing > 0:
            batch = self._producer.create_batch()
            while batch.record_count() < missing and batch.append(
                key=FILLER, value=None, headers=[], timestamp=None
            ):
                pass
            count = batch.record_count()
            stored = await (await self._producer.send_batch(batch, tp.topic, partition=number))
            if stored.offset != self._ends[topic, number]:
                raise SnapshotError(f"somebody else writes into {topic}/{number}")
            self._ends[topic, number] += count
            missing -= count

    async def _append(self, name: str, number: int, some: list[Entry]) -> int:
        """Write records of one partition, confirmed; where it ends then."""
        tp = self._tp(name, number)
        mine: Headers = token_headers(self._tokens[name, number]) if name not in BY_NAME else ()
        sent = [
            await self._producer.send(
                tp.topic, entry.value, entry.key, number, entry.timestamp or None,
                [*entry.headers, *mine],
            )
            for entry in some
        ]  # fmt: skip
        end = 0
        for future in sent:
            end = (await future).offset + 1
        self._progress(len(some))
        return end

    async def drop_fillers(self) -> None:
        """Let what is before the first pending message be no more; compaction does it where the
        topic is compacted."""
        before = {
            self._tp(topic, number): RecordsToDelete(self._footer.places[topic][number].committed)
            for topic, number in self._new
            if not BY_NAME[topic].compacted and self._footer.places[topic][number].committed
        }
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._settings.broker, **security(self._settings)
        )
        await admin.start()
        try:
            if before:
                await admin.delete_records(before)
        finally:
            await admin.close()

    def _tp(self, name: str, number: int) -> TopicPartition:
        full = full_name(self._settings, name)
        return TopicPartition(full if name in BY_NAME else changelog(self._settings, name), number)

    def _count(self, what: str, number: int) -> None:
        if number:
            self.report[what] = self.report.get(what, 0) + number


CHUNK = 500
"""Records that are on their way at once."""


def _chunks(found: Iterable[Entry]) -> Iterable[list[Entry]]:
    some: list[Entry] = []
    for entry in found:
        some.append(entry)
        if len(some) == CHUNK:
            yield some
            some = []
    if some:
        yield some


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker,
        acks="all",
        enable_idempotence=settings.idempotent,
        compression_type="gzip",
        max_batch_size=1024 * 1024,
        max_request_size=MAX_REQUEST,
        **security(settings),
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
