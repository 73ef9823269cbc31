"""What a later version may send: unknown fields are ignored, unknown values of what workers write
are accepted, those of what others write are dead letters, and state of a later version ends the
worker with a line that says so."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from stream_app import schemas
from stream_app.commands.contracts import RECORDS, slug
from stream_app.interests import record
from stream_app.messages.identity import partition
from stream_app.messages.message import Message, Record
from stream_app.messages.topics import TOPICS
from stream_app.pipeline import Pipeline
from stream_app.replay import Replay
from stream_app.schemas import Analysis, Signals
from stream_app.schemas.state import StateError
from stream_app.settings import load
from stream_app.subjects import record as subject
from tests.upgrades.kept import FILES, YOUNGER, read, restarted

SETTINGS = load(environ={})
KEPT = read(FILES[0])
MESSAGES = [*KEPT.inputs[False], *KEPT.outputs[False]]
TOPIC = {spec.record: spec.name for spec in TOPICS}


def examples(kind: type[Any]) -> Iterator[Any]:
    yield from YOUNGER.get(TOPIC[kind], ())
    for one in MESSAGES:
        if one.topic == TOPIC[kind] and one.value is not None:
            try:
                yield schemas.decode(one.value, kind)
            except schemas.Invalid:
                assert one in KEPT.inputs[False]  # of the broken ones


def grown(value: Any) -> Any:
    """As a later version would write it: a field more in each record within."""
    if isinstance(value, msgspec.Struct):
        fields = {field.name: grown(getattr(value, field.name)) for field in schema(value)}
        more = {"deep": [{"er": None}]}
        if value.__struct_config__.array_like:
            return [*fields.values(), more]
        return {"a_new_field": more, **fields, "another": [1, "x"]}
    if isinstance(value, dict):
        return {name: grown(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [grown(one) for one in value]
    return value


def schema(value: msgspec.Struct) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(value)


@pytest.mark.parametrize("kind", RECORDS, ids=slug)
def test_unknown_fields_are_ignored_however_deep(kind: type[Any]) -> None:
    found = list(examples(kind))
    assert found
    for one in found:
        assert schemas.decode(json.dumps(grown(one)).encode(), kind) == one


@pytest.fixture(scope="module")
def pipeline(new_pipeline: Callable[[], Pipeline]) -> Pipeline:
    return new_pipeline()


def message(topic: str, key: str, value: Any, offset: int = 0) -> Message:
    data = json.dumps(value).encode()
    number = partition(key.encode(), SETTINGS.partitions)
    return Message(topic, number, offset, key.encode(), data, (), 1.7e9)


def nothing(number: int, key: bytes) -> None:
    return None


def analysis(**changes: object) -> dict[str, Any]:
    (one, *_) = examples(Analysis)
    value: dict[str, Any] = json.loads(schemas.encode(one))
    return value | {"user_id": "u"} | changes


BEHAVIOUR = {"user_id": "u", "item_id": "p1", "kind": "view", "time": 1.7e9}


@pytest.mark.parametrize(
    "changes",
    [
        {"language": "ja"},
        {"sentiment": "mixed"},
        {"probabilities": {"mixed": 1.0, "positive": 0.0}},
    ],
    ids=["language", "sentiment", "probabilities"],
)
def test_an_analysis_with_an_unknown_value_counts_as_any_other(
    pipeline: Pipeline, changes: dict[str, Any]
) -> None:
    plain = pipeline.interests([message("analyses", "u", analysis())], nothing)
    assert "dead-letters" not in {one.topic for one in plain.records}
    later = pipeline.interests([message("analyses", "u", analysis(**changes))], nothing)
    assert later == plain


def test_a_behaviour_of_an_unknown_kind_is_a_dead_letter_alone(pipeline: Pipeline) -> None:
    later = BEHAVIOUR | {"kind": "wish"}
    batch = [message("behaviours", "u", BEHAVIOUR), message("behaviours", "u", later, 1)]
    result = pipeline.interests(batch, nothing)
    (letter,) = [one for one in result.records if one.topic == "dead-letters"]
    assert letter.value == batch[1].value
    reason = (dict(letter.headers)["__connect.errors.exception.message"] or b"").decode()
    assert "Invalid value" in reason and "`$" in reason
    assert result.states == pipeline.interests(batch[:1], nothing).states != []


def test_an_unknown_sign_of_a_signal_is_a_dead_letter_alone(pipeline: Pipeline) -> None:
    (pack, *_) = [one for one in examples(Signals) if one.entries]
    plain = json.loads(schemas.encode(pack))
    later = plain | {"entries": [[*plain["entries"][0][:4], 2, *plain["entries"][0][5:]]]}
    batch = [message("signals", pack.subject, plain), message("signals", pack.subject, later, 1)]
    result = pipeline.watch(batch, nothing)
    (letter,) = [one for one in result.records if one.topic == "dead-letters"]
    assert letter.value == batch[1].value
    assert len(result.states) == 1


def test_grown_inputs_have_the_same_outputs(pipeline: Pipeline) -> None:
    def later(one: Record) -> Record:
        kind = next(spec.record for spec in TOPICS if spec.name == one.topic)
        try:
            value = json.dumps(grown(schemas.decode(one.value, kind)), ensure_ascii=False)  # type: ignore[arg-type]
            return one._replace(value=value.encode())
        except schemas.Invalid:
            return one

    plain = Replay(pipeline, SETTINGS.partitions)
    list(plain.run(KEPT.inputs[False]))
    more = Replay(pipeline, SETTINGS.partitions)
    list(more.run(later(one) for one in KEPT.inputs[False]))
    assert plain.records("interests") == more.records("interests")
    assert plain.records("subjects") == more.records("subjects")


Change = Callable[[list[Any]], list[Any]]
LATER: dict[str, Change] = {
    "of as many fields": lambda fields: [99, *fields[1:]],
    "of more fields": lambda fields: [99, *fields[1:], {"new": 1}],
    "of fewer fields": lambda fields: [99, *fields[1:3]],
}


@pytest.mark.parametrize("change", LATER.values(), ids=LATER)
@pytest.mark.parametrize("table", ["interests", "subjects"])
def test_state_of_a_later_version_ends_the_batch(
    pipeline: Pipeline, table: str, change: Change
) -> None:
    run = restarted(pipeline, KEPT)
    values = run.states[table]
    for place, value in values.items():
        fields = msgspec.msgpack.decode(value, strict=False)
        values[place] = msgspec.msgpack.encode(change(fields))
    before = dict(values)
    with pytest.raises(StateError) as raised:
        list(run.run([*KEPT.inputs[False], *KEPT.inputs[True]]))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"the {table} table holds a record of version 99, this worker reads")
    assert values == before


@pytest.mark.parametrize("decode", [record.decode, subject.decode])
@pytest.mark.parametrize("data", [b"", b"\xc1", b"not ours", b"\x01", b"\x80", b"\x90"])
def test_what_is_no_record_says_so(decode: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(StateError, match="table holds"):
        decode(data)
