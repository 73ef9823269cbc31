"""Coverage-guided fuzzing of all that reads bytes which others wrote.

    pip install 'stream-app[fuzz]'
    python -m bench.fuzz [--seconds 60]

Every reader may raise its declared errors alone; atheris stops at anything else, and at an input
that takes 2 s. The first byte of an input chooses the reader; valid records are the seeds. The same
readers run under hypothesis in `tests/faults/test_fuzz.py`.
"""

import argparse
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import cramjam
import numpy as np

from stream_app import profiles, schemas
from stream_app.delivery.upstream import unpacking
from stream_app.inference.bundle import default_bundle, read_config
from stream_app.interests import record
from stream_app.messages.vectors import pack
from stream_app.schemas import (
    Alert,
    Analysis,
    Behaviour,
    Contract,
    Invalid,
    Item,
    ItemVector,
    Promotion,
    Recommendations,
    Review,
    Signals,
    Trend,
    Unmatched,
)
from stream_app.schemas.records import Event, Source
from stream_app.subjects import record as subject
from stream_app.subjects.record import Counts, Subject
from stream_app.text.mask import Masker
from stream_app.text.prepare import prepare

KINDS: tuple[type[Any], ...] = (
    Review, Behaviour, Item, Analysis, Signals, ItemVector, Trend, Unmatched, Promotion, Alert,
    Recommendations, Contract,
)  # fmt: skip
MASKER = Masker(profiles.load("shop").masks)
MOST = 4096
"""Bytes of an input."""


def decode(kind: type[Any], data: bytes) -> None:
    """A record; what was read is written and read again the same."""
    found = schemas.decode(data, kind)
    assert schemas.decode(schemas.encode(found), kind) == found


def prepare_twice(data: bytes) -> None:
    """Any text is prepared; preparing it again changes nothing."""
    text = prepare(data.decode("utf-8", "surrogateescape"), MASKER).text
    assert prepare(text, MASKER).text == text


INFLATING = (ValueError, zlib.error, cramjam.DecompressionError)
READERS: dict[str, tuple[Callable[[bytes], Any], tuple[type[Exception], ...]]] = {
    **{kind.__name__: (partial(decode, kind), (Invalid,)) for kind in KINDS},
    "prepare": (prepare_twice, ()),
    "interest": (lambda data: record.encode(record.decode(data)), (ValueError,)),
    "subject": (lambda data: subject.encode(subject.decode(data)), (ValueError,)),
    "config": (read_config, (ValueError,)),
    "gzip": (unpacking.inflate_gzip, INFLATING),
    "snappy": (unpacking.inflate_snappy, INFLATING),
    "lz4": (unpacking.inflate_lz4, INFLATING),
    "zstd": (unpacking.inflate_zstd, INFLATING),
}
"""What reads bytes, and the errors that it may raise."""
NAMES = tuple(READERS)


def attempt(name: str, data: bytes) -> None:
    """Read; only what is not declared comes out."""
    read, declared = READERS[name]
    with suppress(*declared):
        read(data)


def target(data: bytes) -> None:
    """The reader that the first byte chooses, on the others."""
    if data:
        attempt(NAMES[data[0] % len(NAMES)], data[1:])


def seeds() -> dict[str, list[bytes]]:
    """Valid inputs by target."""
    vector = np.zeros(4, np.float32)
    review = Review("r1", "u1", "电池 <b>dies</b> &amp; 138 0013 8000", "p1", 1.0, 1.7e9)
    item = Item("p1", "Tent", tags=["a"], price=9.5)
    values: dict[type[Any], Any] = {
        Review: review,
        Behaviour: Behaviour("u1", "p1", "purchase", "e1", 1.7e9),
        Item: item,
        Analysis: Analysis(
            "r1", "u1", "bad", "en", "negative", {"negative": 1.0}, -1.0, [], "m", 1.7e9,
            Source("reviews", 0, 1), pack(vector),
        ),
        Signals: Signals("item:p1", "reviews/0", []),
        ItemVector: ItemVector(item, pack(vector), "m"),
        Trend: Trend("item:p1", 0.0, 3600.0, 1, 1.0, 0.0, -1.0, [], 1.0, 1.7e9, []),
        Unmatched: Unmatched("r1", 1.7e9, "text"),
        Contract: Contract("a", "shop", {"masks": "0"}, 384, ["negative"], 4, {"subjects": 3}),
        Promotion: Promotion("v", "0" * 64, 1.7e9, "name", "/folder"),
        Recommendations: Recommendations("u1", [], Event("view", 1.7e9), {"reviews/0": 1}),
    }  # fmt: skip
    found = {kind.__name__: [schemas.encode(value)] for kind, value in values.items()}
    interest = record.empty(4)
    interest.events.append(record.Event(1.7e9, 1, 2, 3, 0, 0.5, 7))
    interest.seen[3] = 1
    known = Subject(1.7e9, 1.0, windows={1: Counts(1, 1, 0, -1.0)}, topics={1: {"battery": 1}})
    zeros = bytes(5000)
    return found | {
        "prepare": [
            review.text.encode(),
            "１３８００１３８０００ <script>x</script> a@b.cn".encode(),
        ],
        "interest": [record.encode(interest)],
        "subject": [subject.encode(known)],
        "config": [(default_bundle() / "config.json").read_bytes()],
        "gzip": [zlib.compress(zeros, wbits=31)],
        "snappy": [bytes(cramjam.snappy.compress_raw(zeros))],
        "lz4": [bytes(cramjam.lz4.compress(zeros))],
        "zstd": [bytes(cramjam.zstd.compress(zeros))],
    }


def main() -> None:
    """Fuzz for some seconds in a process of its own: libFuzzer ends it as it likes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stream-app-fuzz-") as folder:
        for name, examples in seeds().items():
            for number, example in enumerate(examples):
                first = bytes([NAMES.index(name)])
                (Path(folder) / f"{name}-{number}").write_bytes(first + example)
        command = [sys.executable, "-m", "bench.fuzz_atheris", folder]
        command += [f"-max_total_time={options.seconds}", f"-max_len={MOST}", "-timeout=2"]
        # Beside the folder, which goes, stays the input that stopped it.
        command += ["-rss_limit_mb=1024", "-print_final_stats=1", f"-artifact_prefix={folder}-"]
        raise SystemExit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
