"""Lines of `tail`: records of ours by what they say, anything else raw and marked."""

import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from stream_app import schemas
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import Message
from stream_app.messages.rendering import MARK, json_line, render
from stream_app.messages.topics import BY_NAME
from stream_app.schemas import Alert, Evidence, Trend

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
VALUES = st.binary() | JSON.map(msgspec.json.encode) | st.text().map(str.encode) | st.none()
HEADERS = st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=20))).map(tuple)


def printed(topic: str, key: bytes | None, value: bytes | None, headers: Any = ()) -> str:
    """What a terminal gets."""
    console = Console(file=io.StringIO(), highlight=False, width=10_000)
    console.print(render(topic, key, value, headers))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    text.encode()  # a terminal takes no lone surrogates
    return text


@pytest.mark.parametrize("topic", BY_NAME)
@settings(deadline=None, max_examples=50)
@given(st.none() | st.binary(), VALUES, HEADERS)
def test_any_bytes_are_shown_on_every_topic(
    topic: str, key: bytes | None, value: bytes | None, headers: Any
) -> None:
    shown = printed(topic, key, value, headers)
    assert shown.endswith("\n")
    controls = {c for c in shown if c < " " or "\x7f" <= c < "\xa0"}
    assert controls <= {"\n"}, "a terminal would obey them"
    line = json_line(topic, value, headers)
    assert "\n" not in line
    if value is None or line != value.decode(errors="replace"):
        json.loads(line, parse_int=str)


@pytest.mark.parametrize("topic", ["analyses", "recommendations", "alerts", "trends", "items"])
@pytest.mark.parametrize("value", [b"\xff\x00", b"no json", b"[1, 2]", b'{"other": 1}', b"3", b""])
def test_what_is_no_record_is_raw_and_marked(topic: str, value: bytes) -> None:
    shown = printed(topic, b"k", value)
    assert MARK in shown
    assert value.decode("utf-8", "replace").replace("\x00", "\\x00") in shown


def test_a_record_with_a_time_outside_the_calendar_is_shown() -> None:
    for time in (1e300, -1e300, 253402300800.0):
        value = schemas.encode(Alert("a", "severe", "item:p", time, "why", Evidence()))
        assert "item:p why" in printed("alerts", b"k", value)


def test_records_are_shown_by_what_they_say() -> None:
    alert = Alert("a", "severe", "item:p", 1e9, "[bold]", Evidence(texts=["it \x1b[31mburned\\"]))
    assert printed("alerts", b"k", schemas.encode(alert)) == (
        "09-09 01:46 severe item:p [bold] it \\x1b[31mburned\\\n"
    )
    trend = Trend(
        subject="topic:battery", start=0.0, seconds=60.0, reviews=3, negative_share=0.5,
        positive_share=0.0, mean_intensity=-1.0, top_topics=[], popularity=2.5, time=1e9,
        history=[], surge=Evidence(),
        emerging=[schemas.Emerging(["a", "b"], 50, 36.5, ["my points are gone"], 1.0, 2.0)],
    )  # fmt: skip
    assert printed("trends", b"k", schemas.encode(trend)) == (
        "09-09 01:46 topic:battery            3 reviews, 50% negative, popularity 2.5 surge\n"
        "  a b 50 reviews\n"
    )
    assert printed("items", b"p-1", None) == "p-1 deleted\n"
    letter = dead_letter(
        Message("reviews", 1, 5, b"k", b"v", (), 0.0), ValueError("no text"), "analyse"
    )
    assert printed("dead-letters", letter.key, letter.value, letter.headers) == (
        "reviews/1/5 no text\n"
    )


def test_json_is_one_line_a_message() -> None:
    assert json_line("items", b'{"a": 1.50,\n "b": "\xe4\xb8\xad"}', ()) == '{"a":1.50,"b":"中"}'
    assert json_line("items", None, ()) == "null"
    assert json_line("items", b"no\njson", ()) == '{"foreign":"no\\njson"}'
    assert json_line("dead-letters", b"\xff", (("a", b"b"), ("c", None))) == '{"a":"b","c":""}'
