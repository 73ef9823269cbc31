"""Batches that a hostile producer wrote: bounded, and every record of them named."""

import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as PlainBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream_app.delivery.upstream import unpacking
from stream_app.delivery.upstream.unpacking import INFLATED, YIELDED, TooLarge, Unreadable

CODECS: dict[str, tuple[int, Callable[[bytes], bytes], Callable[[Any], bytes]]] = {
    "gzip": (1, gzip_encode, unpacking.inflate_gzip),
    "snappy": (2, snappy_encode, unpacking.inflate_snappy),
    "lz4": (3, lz4_encode, unpacking.inflate_lz4),
    "zstd": (4, zstd_encode, unpacking.inflate_zstd),
}


class Bytes(str):
    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


def batch(codec: int, records: list[tuple[bytes, list[tuple[str, bytes]]]]) -> bytes:
    """Records of a value and headers, from offset 0 on."""
    plain = any(isinstance(name, Bytes) for _, headers in records for name, _ in headers)
    builder = (PlainBuilder if plain else DefaultRecordBatchBuilder)(
        magic=2, compression_type=codec, is_transactional=0, producer_id=-1, producer_epoch=-1,
        base_sequence=0, batch_size=2**31 - 1,
    )  # fmt: skip
    for offset, (value, headers) in enumerate(records):
        assert builder.append(offset, timestamp=1, key=None, value=value, headers=headers)
    return bytes(builder.build())


def fetched(data: bytes, offset: int = 0) -> Any:
    """What a consumer iterates over."""
    unpacking.install()
    where = TopicPartition("t", 0)
    return fetcher.PartitionRecords(where, MemoryRecords(data), [], offset, None, None, True, 0)


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_packed_is_unpacked(codec: str) -> None:
    number, pack, inflate = CODECS[codec]
    for text in (b"", b"x", bytes(range(256)) * 5000, bytes(INFLATED // 2)):
        assert inflate(memoryview(pack(text))) == text
    values = [b"a", b"b" * 1000, b""]
    found = list(fetched(batch(number, [(value, [("h", b"v")]) for value in values])))
    assert [record.value for record in found] == values
    assert [record.offset for record in found] == [0, 1, 2]
    assert found[0].headers == (("h", b"v"),)


@pytest.mark.parametrize("codec", CODECS)
def test_a_bomb_is_not_inflated(codec: str) -> None:
    _, pack, inflate = CODECS[codec]
    bomb = pack(bytes(8 * INFLATED))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            inflate(bomb)
        assert tracemalloc.get_traced_memory()[1] < 3 * INFLATED
    finally:
        tracemalloc.stop()


def test_two_members_of_gzip_are_one_text_and_together_bounded() -> None:
    one = zlib.compress(bytes(1000), wbits=31)
    assert unpacking.inflate_gzip(one + one) == bytes(2000)
    half = zlib.compress(bytes(INFLATED * 2 // 3), wbits=31)
    with pytest.raises(TooLarge):
        unpacking.inflate_gzip(half + half)
    with pytest.raises(ValueError, match="cut off"):
        unpacking.inflate_gzip(one[:-9])


def test_every_record_of_a_bomb_is_named_and_what_follows_is_read() -> None:
    bomb = batch(4, [(bytes(INFLATED), [])] * 3)
    good = bytearray(batch(0, [(b"good", [])]))
    good[:8] = (3).to_bytes(8)  # its first offset, which the checksum leaves out
    found = list(fetched(bomb + bytes(good)))
    assert [record.offset for record in found] == [0, 1, 2, 3]
    for record in found[:3]:
        assert isinstance(record.value, Unreadable)
        assert "inflates to more than" in record.value.reason
    assert found[3].value == b"good"


def test_a_name_without_utf_8_spoils_no_record_before_it() -> None:
    data = batch(0, [(b"good", []), (b"bad", [(Bytes("x"), b"")]), (b"after", [])])
    first, second, third = fetched(data)
    assert first.value == b"good"
    assert [second.offset, third.offset] == [1, 2]
    assert second.value.reason == "the record cannot be read: UnicodeDecodeError"


def test_noise_on_the_wire_is_an_error_still() -> None:
    """It is fetched again; a dead letter would lose the message."""
    data = bytearray(batch(0, [(b"good", [])]))
    data[-3] ^= 1
    with pytest.raises(CorruptRecordException):
        next(fetched(bytes(data)))


def test_one_fetch_yields_a_bounded_part_and_the_next_goes_on() -> None:
    size = YIELDED // 3
    data = batch(1, [(bytes(size), [])] * 7)
    parts, offset = [], 0
    while offset < 7:
        fetch = fetched(data, offset)
        parts.append([record.offset for record in fetch])
        assert fetch.next_fetch_offset == parts[-1][-1] + 1
        offset = fetch.next_fetch_offset
    assert [n for part in parts for n in part] == list(range(7))
    assert max(map(len, parts)) == 4


def test_garbage_is_an_error_of_the_codec() -> None:
    for _, _, inflate in CODECS.values():
        with pytest.raises((ValueError, zlib.error, cramjam.DecompressionError)):
            inflate(b"garbage" * 40)
