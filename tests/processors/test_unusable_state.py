"""A record of a table that cannot be used is set aside, counted and begun anew; it ends no worker.

Only what a later version wrote ends the worker, see tests/upgrades/test_newer.py.
"""

import json
import time
from typing import Any

import msgspec
import numpy as np
import pytest
from prometheus_client import REGISTRY

from stream_app.agents.registry import AGENTS
from stream_app.delivery.ownership import TOKEN, token, token_headers
from stream_app.interests import record
from stream_app.messages.dead_letter import error_headers
from stream_app.messages.identity import partition
from stream_app.messages.message import REFRESH, Message, Processor, Result
from stream_app.messages.topics import TABLES
from stream_app.pipeline import Pipeline
from stream_app.schemas import encode
from stream_app.schemas.records import Signal, Signals
from stream_app.schemas.state import StateError, Unusable
from stream_app.settings import Settings
from stream_app.subjects import record as subject

SETTINGS = Settings()
DIMENSIONS = 384
NOW = 1.7e9


def interest(**changes: Any) -> bytes:
    """A user's record as no worker of this group writes it."""
    found = record.empty(DIMENSIONS)
    for name, value in changes.items():
        setattr(found, name, value)
    return record.encode(found)


def vector_bytes() -> bytes:
    fields = msgspec.msgpack.decode(interest())
    return msgspec.msgpack.encode([*fields[:2], b"\0" * 7, *fields[3:]])


GARBAGE = [b"", b"\xc1", b"not ours", b"\x01", b"\x80", b"\x90", b"\x91\x00", b"\x91\xff"]
EVENT = record.Event(NOW, 0, 1, 2, len(record.KINDS), 1.0, 0)
UNUSABLE: dict[str, list[bytes]] = {
    "interests": [
        *GARBAGE,
        interest(vector=np.zeros(128, np.float32)),
        interest(vector=np.full(DIMENSIONS, np.nan, np.float32)),
        interest(clock=float("nan")),
        interest(clock=1e300),
        interest(events=[EVENT]),
        interest(tastes={"price": (float("inf"), 0.0)}),
        vector_bytes(),
    ],
    "subjects": [
        *GARBAGE,
        subject.encode(subject.Subject(clock=float("inf"))),
        subject.encode(subject.Subject(popularity=float("nan"))),
        subject.encode(subject.Subject(neighbours={1: float("nan")})),
    ],
    "catalogue": [b"", b"not ours", b"{}", b"\xff"],
}
KEYS = {"interests": "u1", "subjects": "item:p1", "catalogue": "p1"}
OUTPUTS = {"interests": "recommendations", "subjects": "trends", "catalogue": "item-vectors"}
CASES = [(table, data) for table, values in UNUSABLE.items() for data in values]
every = pytest.mark.parametrize(("table", "data"), CASES)


def message(topic: str, key: str, value: bytes | None, offset: int = 0) -> Message:
    encoded = key.encode()
    place = partition(encoded, SETTINGS.partitions)
    return Message(topic, place, offset, encoded, value, (), NOW)


def event(table: str) -> Message:
    """Something new of the key."""
    if table == "interests":
        behaviour = {"user_id": "u1", "item_id": "p1", "kind": "view", "time": NOW}
        return message("behaviours", "u1", json.dumps(behaviour).encode())
    if table == "subjects":
        signals = Signals("item:p1", "behaviours/0", [Signal(0, 1, NOW, None, 0, 1.0, [])])
        return message("signals", "item:p1", encode(signals))
    # An item that was applied before: what the table has of it is sent again.
    return message("items", "p1", b'{"item_id": "p1", "title": "Tent"}')


def processor(pipeline: Pipeline, table: str) -> Processor:
    (agent,) = (each for each in AGENTS if each.table is not None and each.table.name == table)
    return agent.processor(pipeline)


def run(pipeline: Pipeline, table: str, data: bytes | None, *messages: Message) -> Result:
    """A batch that finds `data` under the key."""
    key = KEYS[table].encode()
    values = {key: data, b"": b"5"} if data is not None else {}
    if table != "catalogue":
        values.pop(b"", None)
    return processor(pipeline, table)(messages, lambda number, name: values.get(name))


def counted(table: str) -> float:
    name = "stream_app_set_aside_records_total"
    return REGISTRY.get_sample_value(name, {"table": table}) or 0.0


def test_every_table_is_tried() -> None:
    assert UNUSABLE.keys() == {table.name for table in TABLES}


@every
def test_it_is_set_aside_counted_and_begun_anew(
    pipeline: Pipeline, table: str, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted(table)
    result = run(pipeline, table, data, event(table), event(table))
    assert counted(table) == before + 1
    (letter,) = (one for one in result.records if one.topic == "dead-letters")
    key = KEYS[table].encode()
    assert (letter.key, letter.value) == (key, data)
    said = error_headers(letter.headers)
    assert said["topic"] == f"stream-app-{table}-changelog"
    assert said["partition"] == str(partition(key, SETTINGS.partitions))
    assert said["exception.class.name"] == "Unusable"
    assert said["exception.message"].startswith(f"the {table} table holds")
    # State and outputs are those of a key without a past.
    rest = [one for one in result.records if one.topic != "dead-letters"]
    anew = run(pipeline, table, None, event(table), event(table))
    if table != "catalogue":
        assert (rest, result.states) == anew
    assert [one.topic for one in rest].count(OUTPUTS[table]) >= 1
    assert key in [state.key for state in result.states if state.value is not None]


@every
def test_a_refresh_replaces_it_at_once(pipeline: Pipeline, table: str, data: bytes) -> None:
    result = run(pipeline, table, data, message(REFRESH, KEYS[table], None, -1))
    assert [one.topic for one in result.records].count("dead-letters") == 1
    state = next(one for one in result.states if one.key == KEYS[table].encode())
    assert state.value != data


def test_a_reminder_replaces_it_at_once(pipeline: Pipeline) -> None:
    reminder = message("signals", "item:p1", encode(Signals("item:p1", "", [])))
    result = run(pipeline, "subjects", b"not ours", reminder)
    assert [one.topic for one in result.records] == ["dead-letters", "trends"]
    assert [state.key for state in result.states] == [b"item:p1"]


def test_an_offset_that_is_none_is_set_aside(pipeline: Pipeline) -> None:
    result = pipeline.items([event("catalogue")], lambda number, key: b"x" if not key else None)
    assert [one.topic for one in result.records] == ["dead-letters", "item-vectors"]
    assert [(state.key, state.value) for state in result.states][-1] == (b"", b"0")


@pytest.mark.parametrize("table", ["interests", "subjects"])
def test_the_log_tells_of_each_kind_once(
    pipeline: Pipeline, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = processor(pipeline, table)._shelf  # type: ignore[attr-defined]
    shelf._told.clear()
    for _ in range(3):
        run(pipeline, table, b"not ours", event(table))
    (line,) = (one.getMessage() for one in caplog.records if "set aside" in one.getMessage())
    assert line.startswith(f"the {table} table holds what is no record")


@pytest.mark.parametrize("decode", [record.decode, subject.decode])
def test_a_later_version_is_not_set_aside(decode: Any) -> None:
    with pytest.raises(StateError) as raised:
        decode(msgspec.msgpack.encode([99, "whatever"]))
    assert not isinstance(raised.value, Unusable)


@pytest.mark.parametrize("table", ["interests", "subjects"])
def test_a_key_that_is_no_text_ends_no_worker(pipeline: Pipeline, table: str) -> None:
    odd = message(REFRESH, "x", None, -1)._replace(key=b"\xff\xfe", time=time.time())
    assert run(pipeline, table, None, odd) == ([], [])


@pytest.mark.parametrize("value", [b"x", b"", None, b"9" * 5000, b"-1", "²".encode()])
def test_a_token_that_is_none_is_nobodys(value: bytes | None) -> None:
    assert token([(TOKEN, value)]) == 0  # type: ignore[list-item]
    assert token([*token_headers(7)]) == 7  # type: ignore[list-item]
