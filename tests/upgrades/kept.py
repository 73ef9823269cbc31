"""Reading what an earlier version kept (see make_fixture.py), and running on from it."""

import base64
import json
import lzma
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stream_app import schemas
from stream_app.interests import record
from stream_app.messages.message import Record
from stream_app.pipeline import Pipeline
from stream_app.replay import Replay
from stream_app.schemas import ItemVector, Trend
from stream_app.schemas.state import StateError
from stream_app.subjects import record as subject

FILES = sorted((Path(__file__).parent / "kept").glob("*.jsonl.xz"))
PARTITIONS = 4
DECODE = {"interests": record.decode, "subjects": subject.decode}
YOUNGER: dict[str, list[Any]] = {
    "acknowledgements": [schemas.Acknowledgement("severe:r1", 1.0)],
    "group": [schemas.Contract("a", "shop", {"masks": "0"}, 384, ["negative"], 4, {"subjects": 3})],
}
"""Topics that came after what is kept, with examples of their values."""
Tables = dict[str, dict[tuple[int, bytes], bytes]]


@dataclass
class Kept:
    """A fixture. Inputs and outputs by whether they are later than the state."""

    commit: str
    versions: dict[str, int]
    """Of each table's records."""
    inputs: dict[bool, list[Record]] = field(default_factory=lambda: {False: [], True: []})
    outputs: dict[bool, list[Record]] = field(default_factory=lambda: {False: [], True: []})
    tables: Tables = field(default_factory=lambda: {"interests": {}, "subjects": {}})


def read(path: Path) -> Kept:
    """A fixture; fails with one line if this version cannot read its state any more."""
    with lzma.open(path, "rt", encoding="ascii") as file:
        head, *lines = map(json.loads, file)
    kept = Kept(head["commit"], {table: head[table] for table in DECODE})
    for line in lines:
        if line["kept"] == "state":
            place = line["partition"], line["key"].encode()
            kept.tables[line["table"]][place] = base64.b64decode(line["value"])
        else:
            part = kept.inputs if line["kept"] == "input" else kept.outputs
            part[line["later"]].append(_message(line))
    for table, values in kept.tables.items():
        try:
            for value in values.values():
                DECODE[table](value)
        except StateError as error:
            pytest.fail(f"{path.name}, kept at {kept.commit}: {error}", pytrace=False)
    return kept


def _message(line: dict[str, Any]) -> Record:
    headers = tuple((name, _bytes(value)) for name, value in line["headers"])
    key, value = (None if line[n] is None else _bytes(line[n]) for n in ("key", "value"))
    return Record(line["topic"], key, value, headers)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def restarted(pipeline: Pipeline, kept: Kept) -> Replay:
    """A run that goes on from the kept state, having read the kept compacted topics whole."""
    newest = {(one.topic, one.key): one.value for one in kept.outputs[False]}
    for (topic, _), value in newest.items():
        if topic == "item-vectors" and value is not None:
            pipeline.catalogue.put(schemas.decode(value, ItemVector))
        elif topic == "trends" and value is not None:
            pipeline.hybrid.put(schemas.decode(value, Trend))
    run = Replay(pipeline, PARTITIONS)
    run.states |= {table: dict(values) for table, values in kept.tables.items()}
    return run


def close(value: Any) -> Any:
    """A nested structure that equals others whose numbers differ by 1e-5 (relative above 1)."""
    if isinstance(value, dict):
        return {name: close(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(close(one) for one in value)
    return pytest.approx(value, rel=1e-5, abs=1e-5) if isinstance(value, float) else value
