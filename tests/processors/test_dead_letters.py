"""Whatever arrives ends in an output or, with a reason, in the dead letters; nothing stops."""

import json
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from stream_app import profiles
from stream_app.inference.batching import Inference
from stream_app.inference.runtime import Model, Outputs
from stream_app.inference.tokens import Encoding
from stream_app.messages.identity import partition
from stream_app.messages.message import INGEST_TIME, Message, Result, ingest_time
from stream_app.messages.vectors import pack
from stream_app.pipeline import Pipeline, assemble, open_model
from stream_app.settings import Settings, load

SETTINGS: Settings = load(environ={})
MARK = "this text breaks the model"


class Fragile(Model):
    """The shipped model, but for one text in whose batch it fails."""

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        self.poison = super().encode([MARK])
        return super().encode(texts)

    def infer(self, encodings: Sequence[Encoding]) -> Outputs:
        if any(encoding in self.poison for encoding in encodings):
            raise RuntimeError("no such luck")
        return super().infer(encodings)


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    inference = Inference(Fragile(open_model(SETTINGS).bundle))
    yield assemble(SETTINGS, profiles.load("shop"), inference)
    inference.close()


def message(topic: str, value: bytes | None, key: bytes = b"u", offset: int = 0) -> Message:
    return Message(topic, partition(key, SETTINGS.partitions), offset, key, value, (), time.time())


def review(**changes: object) -> bytes:
    value = {"review_id": "r", "user_id": "u", "item_id": "i", "text": "good"} | changes
    return json.dumps(value).encode()


def nothing(number: int, key: bytes) -> None:
    return None


def reason(result: Result) -> str:
    (letter,) = [r for r in result.records if r.topic == "dead-letters"]
    return (dict(letter.headers)["__connect.errors.exception.message"] or b"").decode()


BROKEN = {
    "not JSON": (b"{review", "not JSON"),
    "not UTF-8": (b'{"review_id": "\xff"}', "not UTF-8"),
    "wrong type": (review(text=5), "Expected `str`, got `int` - at `$.text`"),
    "missing id": (b'{"user_id": "u", "text": "x"}', "missing required field `review_id`"),
    "blank id": (review(user_id=" "), "$.user_id"),
    "empty text": (review(text=""), "empty"),
    "blank text": (review(text=" \n\u3000"), "empty"),
    "nothing after cleaning": (review(text="<script>x</script>"), "empty after cleaning"),
    "a mebibyte of text": (review(text="x" * 2**20), "at most 10000"),
    "NaN stars": (review(stars=float("nan")), "not JSON"),
    "infinite stars": (b'{"review_id":"r","user_id":"u","text":"x","stars":1e999}', "out of range"),
    "far future": (review(time=time.time() + 1e6), "in the future"),
    "milliseconds": (review(time=time.time() * 1000), "milliseconds"),
    "null": (None, "null"),
    "nested": (b'{"x":' * 10_000 + b"1" + b"}" * 10_000, "nested too deep"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_review_is_a_dead_letter_with_its_reason(pipeline: Pipeline, name: str) -> None:
    value, expected = BROKEN[name]
    broken = message("reviews", value, offset=7)
    result = pipeline.analyse([message("reviews", review()), broken], nothing)
    assert expected in reason(result)
    assert [r.topic for r in result.records].count("analyses") == 1
    (letter,) = [r for r in result.records if r.topic == "dead-letters"]
    assert (letter.key, letter.value) == (b"u", value)
    headers = dict(letter.headers)
    assert headers["__connect.errors.topic"] == b"reviews"
    assert headers["__connect.errors.offset"] == b"7"


def test_a_row_on_which_the_model_fails_fails_alone(pipeline: Pipeline) -> None:
    texts = [f"quite good, number {n}" for n in range(40)]
    texts.insert(20, MARK)
    batch = [
        message("reviews", review(text=t, review_id=f"r{n}"), offset=n) for n, t in enumerate(texts)
    ]
    result = pipeline.analyse(batch, nothing)
    assert [r.topic for r in result.records].count("analyses") == 40
    assert "the model failed" in reason(result)
    assert "no such luck" not in reason(result)


def test_personal_data_stays_in(pipeline: Pipeline) -> None:
    text = "call 13800138000 or mail jane@example.com"
    result = pipeline.analyse([message("reviews", review(text=text))], nothing)
    assert all(
        b"13800138000" not in (r.value or b"") and b"jane@" not in (r.value or b"")
        for r in result.records
    )


def test_a_removed_item_whose_key_is_no_id_is_a_dead_letter(pipeline: Pipeline) -> None:
    # Every worker reads the key back as an id.
    result = pipeline.items(
        [message("items", None, b"p1"), message("items", None, b"\xff\xfe")], nothing
    )
    assert [r.key for r in result.records if r.topic == "item-vectors"] == [b"p1"]
    assert reason(result) == "the message key is not UTF-8: byte 0 of 2"


def test_trace_context_travels(pipeline: Pipeline) -> None:
    headers = (("traceparent", b"00-1-2-01"), ("ce_id", b"7"), ("other", b"x"))
    sent = message("reviews", review())._replace(headers=headers, time=1795510000.1234)
    result = pipeline.analyse([sent], nothing)
    (analysis,) = [r for r in result.records if r.topic == "analyses"]
    assert analysis.headers == (*headers[:2], (INGEST_TIME, b"1795510000123"))
    received = message("analyses", analysis.value)._replace(headers=analysis.headers)
    assert ingest_time(received) == 1795510000.123
    ranked = pipeline.interests([received], nothing)
    (refreshed,) = [r for r in ranked.records if r.topic == "recommendations"]
    assert refreshed.headers == headers[:2]


@pytest.mark.parametrize("value", [b"", b"soon", b"nan", b"1" * 400, b"9" * 5000, b"\xff"])
def test_a_broken_timestamp_of_an_analysis_is_none(value: bytes) -> None:
    received = message("analyses", b"{}")._replace(headers=((INGEST_TIME, value),))
    assert ingest_time(received) == received.time


def behaviour(**changes: object) -> bytes:
    return json.dumps({"user_id": "u", "item_id": "i", "kind": "view"} | changes).encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (behaviour(user_id="somebody else"), "the message key is not the user_id"),
        (behaviour(kind="13800138000"), "Invalid value"),
        (behaviour(time=9e9), "in the future"),
        (None, "null"),
    ],
)
def test_a_broken_behaviour(pipeline: Pipeline, value: bytes | None, expected: str) -> None:
    result = pipeline.interests([message("behaviours", value)], nothing)
    assert expected in reason(result)
    assert "13800138000" not in reason(result)
    assert result.states == []


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "vector of another length": ({"vector": pack(np.ones(5, np.float32))}, "5 dimensions"),
    "vector not finite": ({"vector": pack(np.full(384, np.nan, np.float32))}, "not finite"),
    "vector not base64": ({"vector": "?"}, "not base64"),
    "time far ahead": ({"time": 1e12}, "in the future"),
    "time before all": ({"time": -1.0}, "no time"),
}


def analysis(pipeline: Pipeline, **changes: object) -> bytes:
    result = pipeline.analyse([message("reviews", review())], nothing)
    (found,) = [r for r in result.records if r.topic == "analyses"]
    return json.dumps(json.loads(found.value or b"") | changes).encode()


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_refused_analysis_is_a_dead_letter_and_nothing_else(
    pipeline: Pipeline, changes: dict[str, object], expected: str
) -> None:
    broken = message("analyses", analysis(pipeline, **changes))
    result = pipeline.interests([broken], nothing)
    assert [r.topic for r in result.records] == ["dead-letters"]
    assert result.states == []
    assert expected in reason(result)


def test_a_refused_analysis_leaves_no_trace_in_what_its_user_gets(pipeline: Pipeline) -> None:
    good = message("behaviours", behaviour())
    broken = message("analyses", analysis(pipeline, vector="?"))
    broken = broken._replace(headers=(("traceparent", b"00-1-2-01"),))
    result = pipeline.interests([good, broken], nothing)
    alone = pipeline.interests([good], nothing)
    assert [r for r in result.records if r.topic != "dead-letters"] == alone.records
    assert result.states == alone.states


def test_a_behaviour_in_a_foreign_partition_says_how_to_partition(pipeline: Pipeline) -> None:
    sent = message("behaviours", behaviour())
    wrong = sent._replace(partition=(sent.partition + 1) % SETTINGS.partitions)
    assert "murmur2" in reason(pipeline.interests([wrong], nothing))


def test_a_null_item_is_a_removal(pipeline: Pipeline) -> None:
    result = pipeline.items([message("items", None, key=b"i")], nothing)
    assert [(r.topic, r.key, r.value) for r in result.records] == [("item-vectors", b"i", None)]


def test_a_redelivered_batch_sends_the_same_again(pipeline: Pipeline) -> None:
    """State written, outputs lost: the second time changes no state and sends everything."""
    batch = [message("behaviours", behaviour(event_id=f"e{n}"), offset=n) for n in range(3)]
    first = pipeline.interests(batch, nothing)
    states = {(s.partition, s.key): s.value for s in first.states}
    second = pipeline.interests(batch, lambda number, key: states.get((number, key)))
    assert second.states == first.states
    assert second.records == first.records
