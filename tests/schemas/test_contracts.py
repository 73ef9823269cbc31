"""The generated contracts: up to date, valid, and true to what the codec does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from stream_app import schemas
from stream_app.commands.contracts import RECORDS, documents, slug
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import Message
from stream_app.messages.topics import INPUTS, TOPICS, configs
from stream_app.schemas.records import AlertKind, Event, Source
from stream_app.settings import Settings

CONTRACTS = Path(__file__).parents[2] / "schemas"
ITEM = schemas.Item("i1", "A kettle", price=12.5, tags=["kitchen"], time=1.0)
EVIDENCE = schemas.Evidence(texts=["bad"], reviews=9, negatives=7, rate=0.8, baseline=0.1)
TOPIC = schemas.Topic("quality", 0.5)
RECOMMENDED = schemas.Recommendation(
    "i1",
    "A kettle",
    0.5,
    [schemas.Part("content", 0.5, 1.0)],
    [schemas.Reason("content", "like another", "像另一个")],
)
EXAMPLES: dict[type[Any], list[Any]] = {
    schemas.Review: [
        {"review_id": "r1", "user_id": "u1", "text": "很好"},
        {"review_id": "r1", "user_id": "u1", "text": "", "stars": 4.5, "item_id": None, "new": 1},
    ],
    schemas.Behaviour: [{"user_id": "u1", "item_id": "i1", "kind": "view", "time": 0}],
    schemas.Item: [{"item_id": "i1", "title": "A kettle", "price": None, "tags": ["a"]}],
    schemas.Analysis: [
        schemas.Analysis(
            id="r1",
            user_id="u1",
            text="bad",
            language="en",
            sentiment="negative",
            probabilities={"negative": 0.9, "neutral": 0.1, "positive": 0.0},
            intensity=-0.9,
            topics=[TOPIC],
            model="m",
            time=1.0,
            source=Source("reviews", 0, 7),
            vector="AAA=",
            masked={"phone": 1},
            embedding=[0.5],
        )
    ],
    schemas.Recommendations: [
        schemas.Recommendations("u1", [RECOMMENDED], Event("view", 1.0), {"reviews/0": 7}),
        schemas.Recommendations("u1", [], Event("view", 1.0), {}, {"seen": 2}, {"seen": ["i1"]}),
    ],
    schemas.Alert: [
        schemas.Alert("a1", "severe", "item:i1", 1.0, "why", schemas.Evidence(), intensity=-1.0),
        schemas.Alert("a2", "surge_over", "topic:t", 2.0, "why", EVIDENCE, began=1.0),
    ],
    schemas.Contract: [
        schemas.Contract("a", "shop", {"masks": "0f"}, 384, ["negative"], 4, {"subjects": 3}),
    ],
    schemas.Acknowledgement: [
        schemas.Acknowledgement("surge:item:i1:7", 1.0),
        schemas.Acknowledgement("surge:item:i1:7", 2.0, withdrawn=True),
    ],
    schemas.Trend: [
        schemas.Trend(
            subject="item:i1",
            start=0.0,
            seconds=60.0,
            reviews=9,
            negative_share=0.8,
            positive_share=0.1,
            mean_intensity=-0.5,
            top_topics=[TOPIC],
            popularity=1.0,
            time=59.0,
            history=[schemas.Window(0.0, 9, 0.8, -0.5)],
            surge=EVIDENCE,
            emerging=[schemas.Emerging(["points"], 50, 36.5, ["my points are gone"], 1.0, 2.0)],
        )
    ],
    schemas.Signals: [
        schemas.Signals(
            "item:i1", "reviews/0", [schemas.Signal(7, -1, 1.0, None, 0, 1.0, ["quality"])]
        )
    ],
    schemas.ItemVector: [schemas.ItemVector(ITEM, "AAA=", "m")],
    schemas.Unmatched: [
        schemas.Unmatched("r1", 1.0, "my points are gone", "AAA="),
        schemas.Unmatched("r2", 1.0, "the battery died"),
    ],
    schemas.Promotion: [
        schemas.Promotion("mine-00000000", "0" * 64, 1.0, name="mine"),
        schemas.Promotion("mine-00000000", "0" * 64, 1.0, folder="/models/mine"),
    ],
}
BROKEN: dict[type[Any], list[dict[str, Any]]] = {
    schemas.Review: [{"user_id": " "}, {"text": None}, {"stars": 6}, {"review_id": "x" * 129}],
    schemas.Behaviour: [{"kind": "stare"}, {"time": -1}, {"item_id": ""}],
    schemas.Item: [{"title": ""}, {"price": -1}, {"tags": ["a"] * 51}, {"available": "yes"}],
    schemas.Analysis: [{"sentiment": 1}, {"intensity": 2}, {"topics": [{"id": "t"}]}],
    schemas.Recommendations: [
        {"based_on": {}},
        {"items": [{}]},
        {"applied": {"reviews/0": "7"}},
        {"withheld": {"seen": "i1"}},
    ],
    schemas.Alert: [{"kind": 1}, {"evidence": None}],
    schemas.Contract: [{"app": 1}, {"rules": []}, {"dimensions": "384"}, {"versions": {"a": "b"}}],
    schemas.Acknowledgement: [{"alert_id": " "}, {"time": "now"}, {"withdrawn": 1}],
    schemas.Trend: [{"history": [{}]}, {"reviews": "9"}, {"emerging": [{"words": []}]}],
    schemas.Signals: [{"entries": [[7]]}, {"entries": [[7, 1, 1.0, None, 2, 1.0, []]]}],
    schemas.ItemVector: [{"item": {"item_id": "i1"}}, {"vector": 1}],
    schemas.Unmatched: [{"id": 1}, {"text": None}, {"vector": [0.5]}],
    schemas.Promotion: [{"sha256": "abc"}, {"version": 1}, {"time": "now"}],
}
by_record = pytest.mark.parametrize("kind", RECORDS, ids=slug)


def schema(kind: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (CONTRACTS / f"json/{slug(kind)}.json").read_text(encoding="utf-8")
    )
    return found


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONTRACTS / "asyncapi.json").read_text(encoding="utf-8"))
    return found


def values(kind: type[Any]) -> list[Any]:
    """Examples as they stand in a message."""
    return [json.loads(schemas.encode(example)) for example in EXAMPLES[kind]]


def test_the_files_are_what_the_records_say() -> None:
    found = {
        path.relative_to(CONTRACTS).as_posix(): path.read_text(encoding="utf-8")
        for path in CONTRACTS.rglob("*.json")
    }
    assert found == documents(), "run `stream-app schemas`"
    assert all(text.endswith("}\n") for text in found.values())


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_text_does_not_depend_on_the_hash_seed(seed: str) -> None:
    program = (
        "import json; from stream_app.commands.contracts import documents; "
        "print(json.dumps(documents()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=CONTRACTS.parent,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == documents()


@by_record
def test_each_schema_is_valid_and_stands_alone(kind: type[Any]) -> None:
    found = schema(kind)
    Draft202012Validator.check_schema(found)
    assert found["title"] == kind.__name__
    assert found["description"] == kind.__doc__
    assert found["$id"] == f"urn:stream-app:{slug(kind)}"
    assert set(references(found)) <= {f"#/$defs/{name}" for name in found.get("$defs", {})}


@by_record
def test_schema_and_codec_accept_the_same_examples(kind: type[Any]) -> None:
    validator = Draft202012Validator(schema(kind))
    for value in values(kind):
        validator.validate(value)
        schemas.decode(json.dumps(value).encode(), kind)


@by_record
def test_schema_and_codec_reject_the_same_examples(kind: type[Any]) -> None:
    validator = Draft202012Validator(schema(kind))
    good = values(kind)[0]
    without = [{n: v for n, v in good.items() if n != name} for name in schema(kind)["required"]]
    others: list[Any] = [[], None, "x"]
    for value in [*({**good, **change} for change in BROKEN[kind]), *without, *others]:
        assert not validator.is_valid(value), value
        with pytest.raises(schemas.Invalid):
            schemas.decode(json.dumps(value).encode(), kind)


LATER: dict[type[Any], dict[str, Any]] = {
    schemas.Analysis: {
        "sentiment": "mixed", "language": "ja", "probabilities": {"mixed": 0.6, "negative": 0.4},
    },
    schemas.Alert: {"kind": "flood"},
    schemas.Recommendations: {"based_on": {"kind": "wish", "time": 1.0}},
}  # fmt: skip
"""What a later version may write in an enumeration."""


@pytest.mark.parametrize("kind", LATER, ids=slug)
def test_readers_accept_values_of_a_later_version(kind: type[Any]) -> None:
    value = values(kind)[0] | LATER[kind]
    Draft202012Validator(schema(kind)).validate(value)
    found = schemas.decode(json.dumps(value).encode(), kind)
    assert json.loads(schemas.encode(found)) == value


@by_record
def test_enumerations_are_closed_only_where_others_write(kind: type[Any]) -> None:
    closed: dict[type[Any], list[Any]] = {
        schemas.Behaviour: [["cart", "click", "hide", "purchase", "share", "view"]],
        schemas.Signals: [[-1, 0, 1]],
    }
    assert enumerations(schema(kind)) == closed.get(kind, [])


def test_values_written_today_are_told_as_examples() -> None:
    told = schema(schemas.Alert)["properties"]["kind"]
    assert told["examples"] == list(get_args(AlertKind))
    assert "other values" in told["description"]


def enumerations(node: Any) -> list[list[Any]]:
    if isinstance(node, dict):
        own = [node["enum"]] if isinstance(node.get("enum"), list) else []
        return own + [found for value in node.values() for found in enumerations(value)]
    if isinstance(node, list):
        return [found for value in node for found in enumerations(value)]
    return []


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    if isinstance(node, list):
        return [found for value in node for found in references(value)]
    return []


def resolve(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_asyncapi_references_all_lead_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert found
    for reference in found:
        assert resolve(document, reference)


def test_asyncapi_describes_every_topic(document: dict[str, Any]) -> None:
    settings = Settings()
    assert document["asyncapi"] == "3.0.0"
    assert document["servers"]["local"]["host"] == "127.0.0.1:9092"
    assert list(document["channels"]) == [spec.name for spec in TOPICS]
    for spec in TOPICS:
        channel = document["channels"][spec.name]
        assert channel["address"] == spec.name
        assert spec.description in channel["description"]
        kafka = channel["bindings"]["kafka"]
        assert kafka["bindingVersion"] == "0.5.0"
        assert (kafka["partitions"], kafka["replicas"]) == (4, 1)
        told = {
            name: ",".join(value) if isinstance(value, list) else str(value)
            for name, value in kafka["topicConfiguration"].items()
        }
        assert told == configs(settings, spec)
        (reference,) = references(channel)
        message = resolve(document, reference)
        assert message["bindings"]["kafka"]["key"]["type"] == "string"
        if spec.record is not None:
            name = spec.record.__name__
            assert message["payload"] == {"$ref": f"#/components/schemas/{name}"}


def test_asyncapi_says_who_sends_and_who_receives(document: dict[str, Any]) -> None:
    found = {
        (operation["action"], operation["channel"]["$ref"].removeprefix("#/channels/"))
        for operation in document["operations"].values()
    }
    received = {topic.name for topic in TOPICS if topic.internal} | {*INPUTS}
    sent = {topic.name for topic in TOPICS} - {*INPUTS}
    assert found == {("receive", name) for name in received} | {("send", name) for name in sent}


def test_asyncapi_names_the_headers_of_dead_letters(document: dict[str, Any]) -> None:
    message = Message("reviews", 0, 7, b"k", b"no", (("traceparent", b"00"),), 1.0)
    letter = dead_letter(message, schemas.Invalid("not JSON"), "analyse")
    headers = {name: (value or b"").decode() for name, value in letter.headers}
    described = document["components"]["schemas"]["DeadLetterHeaders"]
    assert set(described["required"]) == set(headers) - {"traceparent"}
    assert all(described["properties"][name]["description"] for name in headers)
    Draft202012Validator(described).validate(headers)
