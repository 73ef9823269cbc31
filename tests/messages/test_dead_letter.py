"""Dead letters fit their topic whatever they hold, and headers that travel are few."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import CARRIED, Headers, Message, Record, carried
from stream_app.messages.topics import LARGE
from stream_app.schemas import Invalid

NONE: Headers = ()
HOSTILE: dict[str, tuple[bytes | None, bytes | None, Headers]] = {
    "value": (b"k", bytes(LARGE), NONE),
    "twice as large": (b"k", bytes(2 * LARGE), NONE),
    "key": (bytes(LARGE), None, NONE),
    "key and value": (bytes(LARGE), bytes(LARGE), NONE),
    "header": (b"k", b"v", (("x", bytes(LARGE)),)),
    "name": (b"k", b"v", (("名" * (LARGE // 3), b""),)),
    "headers": (b"k", b"v", (("", b""),) * 1_500_000),
    "all": (bytes(LARGE), bytes(LARGE), (("x", bytes(LARGE)),)),
}


def stored(record: Record) -> int:
    """Bytes of a batch of this record alone."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1,
        base_sequence=0, batch_size=2**31 - 1,
    )  # fmt: skip
    builder.append(0, timestamp=0, key=record.key, value=record.value, headers=list(record.headers))
    return len(builder.build())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_letter_fits_its_topic(name: str) -> None:
    key, value, headers = HOSTILE[name]
    message = Message("reviews", 1, 7, key, value, headers, 0.0)
    letter = dead_letter(message, Invalid("错" * 500), "analyse")
    assert stored(letter) <= LARGE
    told = dict(letter.headers)
    assert told["__connect.errors.offset"] == b"7"
    assert (told["__connect.errors.cut"] or b"").endswith(b"bytes, cut to fit")


def test_a_letter_of_a_usual_size_is_whole() -> None:
    headers: Headers = (("ce_id", b"1"), ("none", None), ("x", bytes(10_000)))
    message = Message("reviews", 0, 0, bytes(1000), bytes(3 * 2**20), headers, 0.0)
    letter = dead_letter(message, Invalid("no"), "analyse")
    assert (letter.key, letter.value) == (message.key, message.value)
    assert letter.headers[:3] == headers
    assert "__connect.errors.cut" not in dict(letter.headers)


def test_a_message_of_nothing_can_be_sent() -> None:
    """aiokafka's producer refuses one without key and value."""
    letter = dead_letter(Message("reviews", 0, 0, None, None, (), 0.0), Invalid("null"), "analyse")
    assert letter.value == b""
    assert dict(letter.headers)["__connect.errors.null"] == b"key and value"


def test_carried_headers_are_bounded() -> None:
    trace: Headers = (("traceparent", bytes(55)), ("tracestate", bytes(512)))
    assert carried(((("ce_data", bytes(LARGE))), *trace)) == trace
    many = carried((("ce_id", b"1"),) * 100_000)
    assert 0 < len(many) < CARRIED // 16
