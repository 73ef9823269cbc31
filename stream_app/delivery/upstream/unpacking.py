"""What a fetch brought, unpacked within bounds.

aiokafka inflates a compressed batch whole, however large it gets: 4 MiB of zstd can hold many
gigabytes. And what it cannot read, a header whose name is no UTF-8 for one, ends the consumer, and
every successor at the same place. Here a batch inflates to `INFLATED` bytes at most, one fetch of a
partition yields about `YIELDED`, and every record that cannot be read is handed on as `Unreadable`,
so that it becomes a dead letter with its place and the reason.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import cramjam
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record import default_records
from aiokafka.structs import ConsumerRecord

from stream_app.delivery.upstream.names import require
from stream_app.messages.message import size
from stream_app.messages.topics import LARGE

INFLATED = 4 * LARGE
YIELDED = LARGE
"""The rest of a larger fetch is fetched again."""

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16


class TooLarge(ValueError):
    """A batch inflates beyond the bound."""

    def __init__(self) -> None:
        super().__init__(f"its batch inflates to more than {INFLATED} bytes")


class Unreadable(bytes):
    """Stands for the value of a record that cannot be read; `reason` says why."""

    reason: str

    def __new__(cls, reason: str) -> "Unreadable":
        self = super().__new__(cls)
        self.reason = reason
        return self


def inflate_gzip(payload: Any) -> bytes:
    """All members of a gzip stream; raises TooLarge, zlib.error."""
    found = bytearray()
    rest = bytes(payload)
    while rest:
        member = zlib.decompressobj(wbits=31)
        found += member.decompress(rest, INFLATED + 1 - len(found))
        if len(found) > INFLATED or member.unconsumed_tail:
            raise TooLarge
        if not member.eof:
            raise ValueError("its batch is cut off")
        rest = member.unused_data
    return bytes(found)


def inflate_snappy(payload: Any) -> bytes:
    """Raw snappy, or the blocks that Java's client writes; raises TooLarge, DecompressionError."""
    data = bytes(payload)
    blocks = [data]
    if data.startswith(_XERIAL):
        at, blocks = _XERIAL_HEADER, []
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4])
            blocks.append(data[at + 4 : end])
            at = end
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > INFLATED:
        raise TooLarge
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _framed(codec: Any) -> Callable[[Any], bytes]:
    def inflate(payload: Any) -> bytes:
        data = bytes(payload)
        room = min(16 * len(data), INFLATED)
        while True:
            found = bytearray(room)
            try:
                return bytes(memoryview(found)[: codec.decompress_into(data, found)])
            except cramjam.DecompressionError as error:
                # Its one word for a buffer that is full.
                if "whole buffer" not in str(error):
                    raise
                if room == INFLATED:
                    raise TooLarge from None
                room = min(8 * room, INFLATED)

    return inflate


inflate_lz4 = _framed(cramjam.lz4)
inflate_zstd = _framed(cramjam.zstd)


class _Batches:
    """The batches of a fetch. A wrong checksum is the wire's fault and fetched again; what is
    wrong within `reading`, its producer wrote."""

    def __init__(self, records: Any) -> None:
        self._records = records
        self.reading: Any = None

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        self.reading = None
        batch = self._records.next_batch()
        if batch is not None and not batch.validate_crc():
            raise CorruptRecordException("the checksum of a batch is wrong")
        self.reading = batch
        return batch


class _Records(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition in a fetch."""

    def __init__(
        self, tp: Any, records: Any, aborted: Any, offset: int, key: Any, value: Any,
        check_crcs: bool, isolation: Any,
    ) -> None:  # fmt: skip
        self.next_fetch_offset = offset
        self._batches = _Batches(records)
        self._room = YIELDED
        super().__init__(tp, self._batches, aborted, offset, key, value, False, isolation)

    def __next__(self) -> Any:
        if self._room <= 0:
            self._records_iterator = iter(())  # lets go of the inflated batch
            raise StopIteration
        try:
            record = super().__next__()
        except (
            CorruptRecordException,
            ValueError,
            cramjam.DecompressionError,
            zlib.error,
        ) as error:
            batch = self._batches.reading
            if batch is None:
                raise
            unread = self._unread(batch, error)
            self._records_iterator = chain(unread, self._unpack_records())
            record = super().__next__()
        self._room -= size(record)
        return record

    def _unread(self, batch: Any, error: Exception) -> Iterator[ConsumerRecord]:
        """A stand-in for each record of the batch from the one that failed on."""
        reason = str(error) if isinstance(error, TooLarge) else type(error).__name__
        value = Unreadable(f"the record cannot be read: {reason}")
        for offset in range(max(self.next_fetch_offset, batch.base_offset), batch.next_offset):
            self.next_fetch_offset = offset + 1
            yield ConsumerRecord(
                self._tp.topic, self._tp.partition, offset, -1, 0, None, value, None, -1, -1, ()
            )


def install() -> None:
    """Let every consumer of this process unpack so. Raises UpstreamError."""
    require("unpacking")
    fetcher.PartitionRecords = _Records
    # The compiled reader looks its codecs up in its own module.
    reader: Any = sys.modules[default_records.DefaultRecordBatch.__module__]
    reader.gzip_decode = inflate_gzip
    reader.snappy_decode = inflate_snappy
    reader.lz4_decode = inflate_lz4
    reader.zstd_decode = inflate_zstd
