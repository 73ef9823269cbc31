"""A message as a line in a terminal, or as a line of JSON.

Anybody may write to a topic: what is no record of ours is shown raw, and marked as foreign.
"""

import re
from datetime import UTC, datetime

import msgspec
from rich.text import Text

from stream_app import schemas
from stream_app.messages.dead_letter import error_headers
from stream_app.messages.message import Headers
from stream_app.messages.topics import BY_NAME
from stream_app.schemas import Alert, Analysis, Invalid, Recommendations, Trend

COLOURS = {"negative": "red", "neutral": "yellow", "positive": "green"}
MARK = "not a record:"
LONGEST = 500
"""Characters of a value that is shown as it is."""
ITEMS = 5

# Control characters, overrides of the writing direction, and halves of surrogate pairs: a terminal
# would obey or refuse them.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def render(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> Text:
    """One message for a person to read. Never fails, whatever the message holds."""
    if topic == "dead-letters":
        return _dead_letter(headers)
    if value is None:
        return Text(f"{_readable(key or b'')} deleted", "dim")
    kind = BY_NAME[topic].record
    assert kind is not None, "only dead letters are no records"
    try:
        record = schemas.decode(value, kind)
    except Invalid:
        return Text.assemble((f"{MARK} ", "red"), _readable(value)[:LONGEST])
    match record:
        case Analysis():
            return _analysis(record)
        case Alert():
            return _alert(record)
        case Recommendations():
            return _recommendations(record)
        case Trend():
            return _trend(record)
    return Text.assemble(_when(getattr(record, "time", None)), _readable(value)[:LONGEST])


def json_line(topic: str, value: bytes | None, headers: Headers) -> str:
    """One message for a program to read: a dead letter's headers, of all others the value. What is
    no JSON becomes `{"foreign": text}`, so that every line is JSON."""
    if topic == "dead-letters":
        named = {name: (text or b"").decode("utf-8", "replace") for name, text in headers}
        return msgspec.json.encode(named).decode()
    try:
        return msgspec.json.format(value or b"null", indent=-1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        foreign = {"foreign": (value or b"").decode("utf-8", "replace")}
        return msgspec.json.encode(foreign).decode()


def _dead_letter(headers: Headers) -> Text:
    said = error_headers(headers)
    place = "/".join(said.get(name, "?") for name in ("topic", "partition", "offset"))
    reason = said.get("exception.message", "?")
    return Text.assemble((_printable(place), "red"), " ", _printable(reason))


def _analysis(record: Analysis) -> Text:
    return Text.assemble(
        _when(record.time),
        (
            f"{_printable(record.sentiment):<8} {record.intensity:+.2f}",
            COLOURS.get(record.sentiment, ""),
        ),
        " ",
        (_printable(" ".join(topic.id for topic in record.topics)), "cyan"),
        " ",
        _printable(record.text),
    )


def _alert(record: Alert) -> Text:
    about = " ".join([record.subject, record.reason, *record.evidence.texts])
    return Text.assemble(
        _when(record.time), (_printable(record.kind), "bold red"), " ", _printable(about)
    )


def _recommendations(record: Recommendations) -> Text:
    lines = [Text(_printable(record.user_id), "bold")]
    for item in record.items[:ITEMS]:
        why = "; ".join(reason.en for reason in item.reasons)
        lines.append(
            Text.assemble(f"  {item.score:.3f} {_printable(item.title)} ", (_printable(why), "dim"))
        )
    return Text("\n").join(lines)


def _trend(record: Trend) -> Text:
    line = Text.assemble(
        _when(record.time),
        f"{_printable(record.subject):<24} {record.reviews} reviews, "
        f"{record.negative_share:.0%} negative, popularity {record.popularity:.1f}",
        (" surge" if record.surge else "", "red"),
    )
    found = [
        Text.assemble(("  " + _printable(" ".join(topic.words)), "cyan"), f" {topic.size} reviews")
        for topic in record.emerging
    ]
    return Text("\n").join([line, *found])


def _when(time: float | None) -> tuple[str, str]:
    """An event time with its style; empty for none, and for one that no calendar has."""
    try:
        text = f"{datetime.fromtimestamp(time, UTC):%m-%d %H:%M} " if time else ""
    except (ValueError, OverflowError, OSError):
        text = ""
    return text, "dim"


def _readable(value: bytes) -> str:
    return _printable(value.decode("utf-8", "replace"))


def _printable(text: str) -> str:
    """The text with what a terminal would obey written out: `\\x1b`."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)
