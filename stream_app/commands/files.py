"""JSONL files of messages, in and out."""

import base64
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from stream_app.messages.message import Record
from stream_app.messages.topics import BY_NAME
from stream_app.replay import Output


class LineError(ValueError):
    """A file that cannot be read as messages; names the line."""


class Envelope(msgspec.Struct):
    """A line that says its own topic. `raw` is base64, for bytes that are no JSON."""

    topic: str
    key: str | None = None
    value: msgspec.Raw = msgspec.Raw(b"")
    raw: str | None = None


def read(path: Path, topic: str) -> Iterator[Record]:
    """The messages of a JSONL file; raises LineError."""
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                try:
                    yield _message(text.strip(), topic)
                except (msgspec.DecodeError, ValueError) as error:
                    raise LineError(f"{path}:{number}: {error}") from error


def read_column(path: Path, column: str) -> Iterator[Record]:
    """A CSV or TSV file's texts as reviews, each of its own user; raises LineError."""
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".tsv":
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            rows = csv.DictReader(file)
        if column not in (rows.fieldnames or ()):
            raise LineError(f"{path}: no column {column}; there are {rows.fieldnames}")
        for number, row in enumerate(rows, 1):
            name = f"row-{number}"
            review = {"review_id": name, "user_id": name, "text": row[column] or ""}
            yield Record("reviews", name.encode(), msgspec.json.encode(review))


def line(output: Output | None = None, **fields: Any) -> str:
    """An output as a line of JSON; or any fields."""
    if output is not None:
        fields = {"topic": output.topic, "key": _text(output.key)}
        if output.topic == "dead-letters":
            fields["headers"] = {name: _text(value) for name, value in output.headers}
            fields["raw"] = None if output.value is None else base64.b64encode(output.value)
        else:
            fields["value"] = None if output.value is None else msgspec.Raw(output.value)
    return msgspec.json.encode(fields).decode()


def _message(text: bytes, topic: str) -> Record:
    entry = msgspec.json.decode(text)
    if not isinstance(entry, dict):
        raise ValueError("a line must be a JSON object")
    if isinstance(entry.get("topic"), str) and ("value" in entry or "raw" in entry):
        envelope = msgspec.json.decode(text, type=Envelope)
        key = None if envelope.key is None else envelope.key.encode()
        if envelope.raw is not None:
            return Record(envelope.topic, key, base64.b64decode(envelope.raw))
        return Record(envelope.topic, key, bytes(envelope.value))
    key = entry.get(BY_NAME[topic].key_field or "") if topic in BY_NAME else None
    return Record(topic, key.encode() if isinstance(key, str) else None, text)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
