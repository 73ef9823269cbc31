"""Faust's RocksDB store with two changes: records of fenced writers are skipped, and a broken
folder is rebuilt from the changelog.

Beside the table's keys a partition's database holds three kinds of its own, hidden from whoever
lists the table: the changelog offset up to which it is complete (Faust's `offset_key`), the newest
claim (`CLAIM_KEY`), and a mark for each overwritten key (`OVERWRITTEN`).
"""

import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import rocksdict
from faust.stores import rocksdb

from stream_app.delivery.ending import exit_now
from stream_app.delivery.ownership import CLAIM_KEY, token

log = logging.getLogger(__name__)

BROKEN = "BROKEN"
"""File in a partition's folder that was found corrupt while in use."""
OVERWRITTEN = b"\x00overwritten\x00"
"""Prefix of a mark: the rest is the key whose newest changelog record is by a fenced writer, the
value is empty. Marks are on this disk alone; they follow from the changelog."""


def reserved(key: bytes) -> bool:
    """Whether a store keeps something of its own under this key: no key of the table."""
    return key in (CLAIM_KEY, rocksdb.Store.offset_key) or key.startswith(OVERWRITTEN)


class Store(rocksdb.Store):  # type: ignore[misc]
    """Each partition is a RocksDB of its own, restored from the changelog where it is missing."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.overwritten: dict[int, set[bytes]] = {}
        """By open partition: keys whose newest changelog record is by a fenced writer, so that they
        are to be written again. The same as the marks on disk."""
        self.unclaimed: set[int] = set()
        """Partitions opened since they were last claimed: another worker may have had them in
        between, and recovery may not have read its claim yet."""

    def is_open(self, partition: int) -> bool:
        """Whether the partition is this worker's, as an owner or a standby."""
        return partition in self._dbs

    def token(self, partition: int) -> int:
        """The highest token seen in a partition's changelog."""
        return int(self._db_for_partition(partition).get(CLAIM_KEY) or 0)

    def next_offset(self, partition: int) -> int:
        """Offset of the first changelog record that this disk does not have."""
        found = self._db_for_partition(partition).get(self.offset_key)
        return 0 if found is None else int(found) + 1

    def read(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        try:
            value: bytes | None = self._db_for_partition(partition).get(key)
        except Exception as error:
            self._mark_corrupt(partition, error)
            raise
        return value

    def _mark_corrupt(self, partition: int, error: Exception) -> None:
        if "Corruption" in str(error):
            # It is in use: whoever opens it next restores it.
            (self.partition_path(partition) / BROKEN).touch()

    def apply_changelog_batch(
        self,
        batch: Iterable[Any],
        to_key: Callable[[Any], Any],
        to_value: Callable[[Any], Any],
    ) -> None:
        """Called by Faust with what recovery and standbys have read. An error, such as a full disk,
        ends the worker: Faust would log it and never leave recovery."""
        received: dict[int, list[Any]] = defaultdict(list)
        for event in batch:
            received[event.message.partition].append(event.message)
        for partition, records in received.items():
            try:
                self.apply(partition, records)
            except Exception as error:
                self._mark_corrupt(partition, error)
                exit_now("recovery", error)

    def apply(self, partition: int, records: Sequence[Any]) -> None:
        """Apply the next records of a partition's changelog, in their order; those of fenced
        writers only mark their keys. One atomic write, with the new claim and offset."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        highest = self.token(partition)
        overwritten = set(self.overwritten[partition])
        for record in records:
            key, its = record.key, token(record.headers or ())
            if its < highest:
                if key != CLAIM_KEY:  # a claim that came late is no state to write again
                    overwritten.add(key)
                    batch.put(OVERWRITTEN + key, b"")
                continue
            highest = its
            if key in overwritten:
                overwritten.remove(key)
                batch.delete(OVERWRITTEN + key)
            if record.value is None:
                batch.delete(key)
            else:
                batch.put(key, record.value)
        batch.put(CLAIM_KEY, str(highest).encode())
        batch.put(self.offset_key, str(records[-1].offset).encode())
        self._db_for_partition(partition).write(batch)
        self.overwritten[partition] = overwritten

    def _visible_keys(self, db: Any) -> Iterator[bytes]:
        return (key for key in super()._visible_keys(db) if not reserved(key))

    def _visible_items(self, db: Any) -> Iterator[tuple[bytes, bytes]]:
        return (item for item in super()._visible_items(db) if not reserved(item[0]))

    def _open_for_partition(self, partition: int) -> Any:
        self.unclaimed.add(partition)
        try:
            self._check_files(self.partition_path(partition))
            return self._opened(partition)
        except Exception as error:
            self._discard(partition, error)
            return self._opened(partition)

    def _opened(self, partition: int) -> Any:
        database = super()._open_for_partition(partition)
        marks = takewhile(
            lambda key: key.startswith(OVERWRITTEN), database.keys(from_key=OVERWRITTEN)
        )
        self.overwritten[partition] = {key.removeprefix(OVERWRITTEN) for key in marks}
        return database

    def _check_files(self, path: Path) -> None:
        """Raise OSError where the folder is broken. RocksDB opens one whose manifest lost its end
        without an error: without the files that it no longer names, yet with the newest offset."""
        if (path / BROKEN).exists():
            raise OSError("Corruption: found when it was read")
        found = {file.name for file in path.glob("*.sst")}
        if not found:
            return
        access = rocksdict.AccessType.read_only()
        database = rocksdict.Rdict(str(path), self.rocksdb_options.as_options(), access_type=access)
        known = {Path(file["name"]).name for file in database.live_files()}
        database.close()
        if found - known:
            raise OSError(f"Corruption: the manifest does not know {', '.join(found - known)}")

    def _discard(self, partition: int, error: Exception) -> None:
        """Delete a folder that RocksDB calls corrupt: recovery fills it from the changelog."""
        if "Corruption" not in str(error):
            raise error
        log.error("table partition %s is restored from its changelog: %s", partition, error)
        shutil.rmtree(self.partition_path(partition))
