"""A key of which a stale record was written: its state and outputs again, nothing changed."""

import json
import time
from collections.abc import Callable

import pytest

from stream_app.messages.identity import partition
from stream_app.messages.message import REFRESH, Message, Processor, Record
from stream_app.pipeline import Pipeline
from stream_app.replay import Replay

PARTITIONS = 4


@pytest.fixture(scope="module")
def pipeline(new_pipeline: Callable[[], Pipeline]) -> Pipeline:
    return new_pipeline()


def refresh(key: bytes) -> Message:
    return Message(REFRESH, partition(key, PARTITIONS), -1, key, None, (), 0.0)


@pytest.mark.parametrize(
    ("table", "key", "output"),
    [("interests", b"u1", "recommendations"), ("subjects", b"item:p1", "trends")],
)
def test_a_refresh_sends_state_and_output_again(
    pipeline: Pipeline, table: str, key: bytes, output: str
) -> None:
    run = Replay(pipeline, PARTITIONS)
    item = {"item_id": "p2", "title": "Tent"}
    event = {"user_id": "u1", "item_id": "p1", "kind": "purchase", "time": time.time()}
    outputs = list(run.run([
        Record("items", b"p2", json.dumps(item).encode()),
        Record("behaviours", b"u1", json.dumps(event).encode()),
    ]))  # fmt: skip
    states = run.states[table]
    processors: dict[str, Processor] = {
        "interests": pipeline.interests, "subjects": pipeline.watch,
    }  # fmt: skip
    processor = processors[table]
    again = processor([refresh(key)], lambda number, name: states.get((number, name)))
    (state,) = again.states
    assert states[state.partition, state.key] == state.value
    (record,) = again.records
    sent = [o.value for o in outputs if o.topic == output and o.key == key][-1]
    value, before = json.loads(record.value or b""), json.loads(sent or b"")
    assert (record.topic, record.key) == (output, key)
    for one in (value, before):
        one.pop("based_on", None)
    assert value == before


def test_of_a_key_without_state_nothing_is_sent(pipeline: Pipeline) -> None:
    for processor in (pipeline.interests, pipeline.watch):
        assert processor([refresh(b"nobody")], lambda number, name: None) == ([], [])
