"""Bytes that are not a record are refused with a reason; the rest comes back as it was."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.schemas import Behaviour, Invalid, Item, Review, Signals, decode, encode

DEEP = b"[" * 10_000
GOOD: dict[str, Any] = {"review_id": "r1", "user_id": "u1", "text": "fine"}


def review(field: str, value: bytes) -> bytes:
    """A review with one more field, its value as raw JSON."""
    rest = {name: content for name, content in GOOD.items() if name != field}
    return json.dumps(rest).encode()[:-1] + b', "' + field.encode() + b'": ' + value + b"}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(None, "the value is null", id="tombstone"),
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"good kettle", "not JSON", id="words"),
        pytest.param(review("text", b'"a"') + b" x", "not JSON", id="something after"),
        pytest.param(review("text", b'"a')[:-1], "not JSON", id="cut off"),
        pytest.param(review("text", b'"\xff"'), "not UTF-8: byte ", id="not UTF-8"),
        pytest.param("文".encode("gb18030"), "not UTF-8: byte 0", id="another encoding"),
        pytest.param(b"null", "`object`, got `null`", id="null"),
        pytest.param(b"[]", "`object`, got `array`", id="array"),
        pytest.param(review("text", b"7"), "`$.text`", id="wrong type"),
        pytest.param(review("text", b"null"), "`$.text`", id="null text"),
        pytest.param(b'{"review_id": "r1", "user_id": "u1"}', "field `text`", id="missing field"),
        pytest.param(review("user_id", b'" \\t\\n"'), "`$.user_id`", id="blank id"),
        pytest.param(review("user_id", b'""'), "`$.user_id`", id="empty id"),
        pytest.param(review("user_id", b'"%s"' % (b"x" * 129)), "`$.user_id`", id="long id"),
        pytest.param(review("stars", b"NaN"), "not JSON", id="NaN"),
        pytest.param(review("time", b"-Infinity"), "not JSON", id="infinity"),
        pytest.param(review("time", b"1e999"), "`$.time`", id="out of range"),
        pytest.param(review("stars", b"5.5"), "`$.stars`", id="too many stars"),
        pytest.param(review("text", DEEP), "`$.text`", id="deep text"),
        pytest.param(review("new", DEEP), "nested too deep", id="deep unknown field, cut off"),
        pytest.param(review("new", DEEP + b"]" * 10_000), "nested too deep", id="deep unknown"),
    ],
)
def test_what_is_no_review_is_refused_with_a_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(value, Review)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "secret", ["Zhang Wei", "O'Neil", 'a "b" c', 'it\'s "both"', "two\nlines", "tail' - at `$.x`"]
)
def test_the_reason_never_repeats_an_enum_value(secret: str) -> None:
    value = json.dumps({"user_id": "u1", "item_id": "i1", "kind": secret}).encode()
    with pytest.raises(Invalid) as caught:
        decode(value, Behaviour)
    reason = str(caught.value)
    assert reason.startswith("not a valid Behaviour: ") and "`$.kind`" in reason
    assert secret not in reason and repr(secret)[1:-1] not in reason


@given(secret=st.text(st.characters(codec="utf-8"), min_size=3).map(lambda text: f"<<{text}>>"))
def test_the_reason_never_repeats_any_text(secret: str) -> None:
    for kind, content in (
        (Behaviour, {"user_id": "u1", "item_id": "i1", "kind": secret}),
        (Review, {"review_id": "r1", "user_id": secret * 30, "text": "a"}),
        (Review, {**GOOD, "stars": secret}),
        (Item, {"item_id": "i1", "title": "a", "tags": secret}),
    ):
        with pytest.raises(Invalid) as caught:
            decode(json.dumps(content).encode(), kind)
        assert "<<" not in str(caught.value)


def test_unknown_fields_are_ignored() -> None:
    assert decode(review("new", b'{"a": [1, null]}'), Review) == Review("r1", "u1", "fine")


def test_fields_with_default_values_are_left_out() -> None:
    assert encode(Review("r1", "u1", "好", item_id=None)) == (
        '{"review_id":"r1","user_id":"u1","text":"好"}'.encode()
    )


@given(
    text=st.text(st.characters(codec="utf-8")),
    stars=st.none() | st.floats(1, 5),
    time=st.none() | st.floats(0, 1e12),
    embedding=st.booleans(),
)
def test_a_review_comes_back_as_it_was(
    text: str, stars: float | None, time: float | None, embedding: bool
) -> None:
    sent = Review("r1", "u1", text, stars=stars, time=time, embedding=embedding)
    assert decode(encode(sent), Review) == sent


def test_signals_travel_as_arrays() -> None:
    entry = b'[7,-1,1.0,null,0,0.5,["a"],[[5,0.25]]]'
    value = b'{"subject":"item:i1","source":"reviews/0","entries":[%b]}' % entry
    assert encode(decode(value, Signals)) == value
    earlier = value.replace(b",[[5,0.25]]", b"")
    assert decode(earlier, Signals).entries[0].before == []
