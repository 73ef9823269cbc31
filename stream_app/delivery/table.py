"""A table with confirmed writes and one writer a partition: changelog first, disk second.

Faust writes to disk at once, sends the changelog record without waiting for it, and forbids
writes outside of the iteration over a stream. Here the outbox delivers a batch's records to the
changelog; only then they go to RocksDB, in one atomic write with the changelog offset up to which
the disk is complete. Assigning partitions, recovery and standbys stay Faust's.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import faust
from aiokafka import TopicPartition

from stream_app.delivery.outbox import Entry, Outbox
from stream_app.delivery.ownership import CLAIM_KEY, Fenced, records_since, token, token_headers
from stream_app.delivery.upstream import tables
from stream_app.delivery.upstream.store import Store
from stream_app.messages.message import Headers, State
from stream_app.settings import Settings


class _Written(NamedTuple):
    """A record of our own as the changelog holds it."""

    offset: int
    key: bytes
    value: bytes | None
    headers: Headers


class StateTable:
    """Bytes by partition and key, in RocksDB and a changelog topic, with one writer."""

    def __init__(self, app: faust.App, settings: Settings, outbox: Outbox, name: str) -> None:
        self._settings = settings
        self._outbox = outbox
        self._claims: dict[int, int] = {}
        """Token by partition."""
        self._table: Any = tables.add(app, name)

    @property
    def _store(self) -> Store:
        store: Store = self._table.data
        return store

    async def claim(self, partitions: Iterable[int]) -> None:
        """Claim each partition that was opened since the last claim, or that has seen another
        worker's claim. Raises Fenced where that came first, KafkaError."""
        if not self._settings.idempotent:
            return  # the embedded broker misreports offsets; it has one worker
        for partition in set(partitions):
            newest = self._store.token(partition)
            if self._claims.get(partition) == newest and partition not in self._store.unclaimed:
                continue
            self._store.unclaimed.discard(partition)
            claim = newest + 1
            value = str(claim).encode()
            topic = self._changelog(partition).topic
            (place,) = await self._outbox.append(
                [Entry(topic, partition, CLAIM_KEY, value, token_headers(claim))]
            )
            # Records that were appended after recovery ended and before our claim count.
            before = [r for r in await self._foreign(partition, [place]) if r.offset < place]
            if any(token(record.headers) >= claim for record in before):
                raise Fenced(f"another worker has claimed partition {partition} first")
            ours = _Written(place, CLAIM_KEY, value, token_headers(claim))
            self._store.apply(partition, [*before, ours])
            self._claims[partition] = claim

    def read(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        return self._store.read(partition, key)

    async def store(self, states: Sequence[State]) -> None:
        """Write a batch; returns when changelog and disk have it. Where another worker has claimed
        a partition nothing of it reaches the disk. Raises Fenced, KafkaError."""
        topic = self._table.changelog_topic_name
        entries = [
            Entry(topic, state.partition, state.key, state.value, self._signature(state.partition))
            for state in states
        ]
        written: dict[int, list[Any]] = defaultdict(list)
        offsets = await self._outbox.append(entries)
        for entry, offset in zip(entries, offsets, strict=True):
            assert entry.key is not None
            ours = _Written(offset, entry.key, entry.value, entry.headers)
            written[entry.partition].append(ours)
        for partition, records in written.items():
            if partition in self._claims:
                foreign = await self._foreign(partition, [record.offset for record in records])
                self._check_fenced(foreign)
                records += foreign
        for partition, records in written.items():
            if self._store.token(partition) > self._claims.get(partition, sys.maxsize):
                raise Fenced(f"another worker has owned partition {partition} meanwhile")
            self._store.apply(partition, sorted(records, key=attrgetter("offset")))

    async def check_changelog(self) -> bool:
        """Read what others have appended since our last write, which no write of ours has shown
        yet. True: there are overwritten keys to refresh. Raises as `store`."""
        first = {self._changelog(p): self._store.next_offset(p) for p in self._claimed()}
        if first:
            foreign: dict[int, list[Any]] = defaultdict(list)
            for record in await records_since(self._settings, first):
                foreign[record.partition].append(record)
            for partition in foreign.keys() & set(self._claimed()):
                self._check_fenced(foreign[partition])
                self._store.apply(partition, foreign[partition])
        return bool(self.overwritten())

    def overwritten(self) -> list[tuple[int, bytes]]:
        """Partition and key whose newest changelog record is by a fenced writer; a key is named
        until `store` has written it, be it that it has no state."""
        return [
            (partition, key)
            for partition in self._claimed()
            for key in sorted(self._store.overwritten[partition])
        ]

    def _claimed(self) -> list[int]:
        """Partitions that are open and whose newest claim is ours, as far as this disk knows."""
        return [
            partition
            for partition, claim in self._claims.items()
            if self._store.is_open(partition)
            and partition not in self._store.unclaimed
            and self._store.token(partition) == claim
        ]

    def _changelog(self, partition: int) -> TopicPartition:
        return TopicPartition(self._table.changelog_topic_name, partition)

    async def _foreign(self, partition: int, taken: list[int]) -> list[Any]:
        """Records that others have appended between our last write and these offsets of ours;
        none, and nothing is read, where the offsets are consecutive."""
        first = self._store.next_offset(partition)
        if max(taken) - first + 1 == len(taken):
            return []
        records = await records_since(self._settings, {self._changelog(partition): first})
        return [record for record in records if record.offset not in taken]

    def _check_fenced(self, foreign: Sequence[Any]) -> None:
        """Raise Fenced if a record of others has a higher token than our claim."""
        for record in foreign:
            if token(record.headers) > self._claims[record.partition]:
                raise Fenced(f"another worker owns {record.topic}/{record.partition}")

    def _signature(self, partition: int) -> Headers:
        """Headers of our records in a partition: our token. Where nothing is claimed, on a broker
        without idempotence, the newest that the disk knows, so that recovery skips none."""
        claim = self._claims.get(partition)
        return token_headers(self._store.token(partition) if claim is None else claim)
