"""A Faust table whose writes are confirmed: changelog first, disk second.

Faust writes to disk at once, sends the changelog record without waiting for it, and forbids
writes outside of the iteration over a stream. Here a batch's records are delivered to the
changelog by the outbox; only then they are written to RocksDB, together with the changelog
offset they stand at, in one atomic write. Recovery and standbys stay Faust's.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import faust
import rocksdict
from aiokafka import TopicPartition
from faust.tables import Table

from stream_app.delivery.message import State
from stream_app.delivery.outbox import Change, Outbox
from stream_app.delivery.ownership import OWNER, TOKEN, Superseded, between, token
from stream_app.delivery.store import Store
from stream_app.settings import Settings

BLOCK_CACHE = 2 * 1024 * 1024
"""Bytes per partition; Faust's default is 2 GiB."""
WRITE_BUFFER = 1 * 1024 * 1024
"""Bytes per partition, at most three at once; the default of 64 MiB looks like a leak."""


class _Table(Table):  # type: ignore[misc]
    def _new_store(self) -> Store:
        return Store("rocksdb://", self.app, self, table_name=self.name, options=self.options)


class _Claim(NamedTuple):
    """Our own claim as the changelog holds it."""

    value: bytes
    offset: int
    key: bytes = OWNER

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [(TOKEN, self.value)]


class StateTable:
    """Bytes by partition and key, in RocksDB and a changelog topic, with one writer."""

    def __init__(self, app: faust.App, settings: Settings, outbox: Outbox, name: str) -> None:
        self._settings = settings
        self._outbox = outbox
        self._owned: dict[int, int] = {}
        """Token by partition."""
        self._table: Any = app.tables.add(
            _Table(
                app,
                name=name,
                key_type=bytes,
                value_type=bytes,
                partitions=app.conf.topic_partitions,
                options={
                    "driver": "rocksdict",
                    "block_cache_size": BLOCK_CACHE,
                    "write_buffer_size": WRITE_BUFFER,
                },
                beacon=app.tables.beacon,
            )
        )

    @property
    def _store(self) -> Store:
        store: Store = self._table.data
        return store

    async def own(self, partitions: Iterable[int]) -> None:
        """Claim what was never claimed, or by another since. Raises Superseded, KafkaError."""
        if not self._settings.idempotent:
            return  # the embedded broker misreports offsets; it has one worker
        for partition in set(partitions):
            newest = self._store.token(partition)
            if self._owned.get(partition) == newest:
                continue
            claim = newest + 1
            value = str(claim).encode()
            change = Change(self._table.changelog_topic_name, partition, OWNER, value, claim)
            taken = await self._outbox.append([change])
            # What came before the claim counts, also if recovery ended without it.
            self._store.restore(
                partition, [*await self._foreign(partition, taken, claim), _Claim(value, taken[0])]
            )
            self._owned[partition] = claim

    def read(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        return self._store.read(partition, key)

    async def store(self, states: Sequence[State]) -> None:
        """Write a batch; returns when changelog and disk have it. Raises Superseded, KafkaError."""
        await self._append([self._change(*state) for state in states])
        repairs = []
        for partition in {state.partition for state in states}:
            for key in self._store.doubtful.pop(partition, set()):
                if (value := self.read(partition, key)) is not None:
                    repairs.append(self._change(partition, key, value))
        await self._append(repairs)

    def _change(self, partition: int, key: bytes, value: bytes) -> Change:
        topic = self._table.changelog_topic_name
        return Change(topic, partition, key, value, self._owned.get(partition, 0))

    async def _append(self, changes: Sequence[Change]) -> None:
        offsets = await self._outbox.append(changes)
        batches: dict[int, Any] = defaultdict(lambda: rocksdict.WriteBatch(raw_mode=True))
        places: dict[int, list[int]] = defaultdict(list)
        for change, offset in zip(changes, offsets, strict=True):
            batches[change.partition].put(change.key, change.value)
            places[change.partition].append(offset)
        for partition, taken in places.items():
            if partition in self._owned:
                # Who writes after our claim with a lower token was frozen when it was made.
                for record in await self._foreign(partition, taken, self._owned[partition] + 1):
                    if record.key != OWNER:
                        self._store.doubtful[partition].add(record.key)
        for partition, batch in batches.items():
            batch.put(self._store.offset_key, str(max(places[partition])).encode())
            self._store.write(partition, batch)

    async def _foreign(self, partition: int, taken: list[int], rivals: int) -> list[Any]:
        """What others have written between our last record and the newest of ours. Raises
        Superseded where one has a token of `rivals` or higher."""
        first, last = self._store.next_offset(partition), max(taken)
        if last - first + 1 == len(taken):
            return []
        tp = TopicPartition(self._table.changelog_topic_name, partition)
        records = await between(self._settings, tp, first, last)
        foreign = [record for record in records if record.offset not in taken]
        if any(token(record.headers) >= rivals for record in foreign):
            raise Superseded(f"another worker has taken over {tp.topic}/{partition}")
        return foreign
