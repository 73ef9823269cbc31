"""A Faust table whose writes are confirmed: changelog first, disk second.

Faust writes to disk at once, sends the changelog record without waiting for it, and forbids
writes outside of the iteration over a stream. Here a batch's records are delivered to the
changelog by the outbox; only then they are written to RocksDB, together with the changelog
offset they stand at, in one atomic write. Recovery and standbys stay Faust's.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import faust
import rocksdict
from faust.tables import Table

from stream_app.delivery.message import State
from stream_app.delivery.outbox import Change

BLOCK_CACHE = 2 * 1024 * 1024
"""Bytes per partition; Faust's default is 2 GiB."""
WRITE_BUFFER = 1 * 1024 * 1024
"""Bytes per partition, at most three at once; the default of 64 MiB looks like a leak."""


class StateTable:
    """Bytes by partition and key, in RocksDB and a changelog topic."""

    def __init__(self, app: faust.App, name: str) -> None:
        self._table: Any = app.tables.add(
            Table(
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

    def read(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        value: bytes | None = self._database(partition).get(key)
        return value

    def changes(self, states: Sequence[State]) -> list[Change]:
        """The changelog records of a batch."""
        topic = self._table.changelog_topic_name
        return [Change(topic, state.partition, state.key, state.value) for state in states]

    def write(self, states: Sequence[State], offsets: Sequence[int]) -> None:
        """Write what the changelog has stored at `offsets`."""
        batches: dict[int, Any] = defaultdict(lambda: rocksdict.WriteBatch(raw_mode=True))
        newest: dict[int, int] = {}
        for state, offset in zip(states, offsets, strict=True):
            batches[state.partition].put(state.key, state.value)
            newest[state.partition] = max(offset, newest.get(state.partition, -1))
        for partition, batch in batches.items():
            batch.put(self._table.data.offset_key, str(newest[partition]).encode())
            self._database(partition).write(batch)

    def _database(self, partition: int) -> Any:
        return self._table.data._db_for_partition(partition)
