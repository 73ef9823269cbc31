"""A snapshot file: tables, topics and pending messages of a group, as lines of JSON.

    {"format": "stream-app snapshot", "version": 1, "app": …}        what it is of
    {"kind": "table", "name": "interests", "partition": 0, …}        records, keys and values base64
    {"places": …, "counts": …, "sha256": …}                          what all of it must add up to

Compressed with gzip, so `zcat FILE | jq` reads it without us. It is written and read as a stream:
nothing is held but a line. The last line comes when all the others are written; a file without it
is the beginning of one.
"""

import gzip
import hashlib
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

FORMAT = "stream-app snapshot"
VERSION = 1

Kind = Literal["table", "topic", "pending"]
"""Newest record of a table's key, newest record of a compacted topic's key, or a message that the
group has not committed."""


class SnapshotError(RuntimeError):
    """A snapshot that cannot be written, read or imported; the message says why."""


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """The first line."""

    app: str
    partitions: int
    created: float
    """Seconds since the epoch."""
    tables: list[str]
    topics: list[str]
    """Compacted topics that it has, without the prefix."""
    source: Literal["broker", "replay"] = "broker"
    """Where the tables come from."""
    format: str = FORMAT
    version: int = VERSION


class Entry(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A record. Those of one kind, name and partition stand together."""

    kind: Kind
    name: str
    """Of the table, or of the topic without the prefix."""
    partition: int
    key: bytes | None = None
    value: bytes | None = None
    headers: list[tuple[str, bytes | None]] = []
    timestamp: int = 0
    """Milliseconds since the epoch; not of a table."""
    offset: int = -1
    """Of what is pending: where it stood."""


class Place(msgspec.Struct, forbid_unknown_fields=True):
    """How far the group was in a partition of what it takes."""

    committed: int
    """The first message that it has not committed, and with which the snapshot's pending begin."""
    end: int
    """After the last pending message."""
    last: tuple[int, int] | None = None
    """Offset and timestamp of a message at the end, to tell the topic from another of its name."""


Places = dict[str, dict[int, Place]]
"""By topic, without the prefix, and partition."""


class Footer(msgspec.Struct, forbid_unknown_fields=True):
    """The last line."""

    places: Places
    counts: dict[str, int]
    """Records by `kind:name`."""
    versions: dict[str, list[int]]
    """By table: the versions of its records."""
    sha256: str
    """Of all lines before."""


class Contents(NamedTuple):
    """What a checked file says of itself."""

    header: Header
    footer: Footer

    def count(self, kind: Kind) -> int:
        """How many records of a kind there are."""
        counts = self.footer.counts.items()
        return sum(number for name, number in counts if name.startswith(f"{kind}:"))


class Writer:
    """Adds records to a file that is being written."""

    def __init__(self, put: Callable[[bytes], object], header: Header) -> None:
        self._put = put
        self._sum = hashlib.sha256()
        self._counts: dict[str, int] = defaultdict(int)
        self._versions: dict[str, set[int]] = defaultdict(set)
        self._line(header)

    def add(self, entry: Entry) -> None:
        """One more record."""
        if entry.kind == "table":
            self._versions[entry.name].add(record_version(entry.value or b""))
        self._counts[f"{entry.kind}:{entry.name}"] += 1
        self._line(entry)

    def end(self, places: Places) -> Footer:
        """The last line: what all must add up to."""
        versions = {name: sorted(found) for name, found in sorted(self._versions.items())}
        footer = Footer(places, dict(sorted(self._counts.items())), versions, self._sum.hexdigest())
        self._put(msgspec.json.encode(footer) + b"\n")
        return footer

    def _line(self, line: Any) -> None:
        data = msgspec.json.encode(line) + b"\n"
        self._sum.update(data)
        self._put(data)


def record_version(value: bytes) -> int:
    """The version of a table's record, which is the first of its fields; 0: it has none."""
    try:
        fields = msgspec.msgpack.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    first = fields[0] if isinstance(fields, list) and fields else None
    return first if isinstance(first, int) and not isinstance(first, bool) else 0


@contextmanager
def writing(path: Path, header: Header) -> Iterator[Writer]:
    """Write a file; it has its name only when it is whole. Raises OSError."""
    part = path.with_name(path.name + ".part")
    try:
        # Without name and time in its head the same records are the same file.
        with part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) as file:
            yield Writer(file.write, header)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check(path: Path) -> Contents:
    """Read a file whole and compare it with what it says of itself. Raises SnapshotError."""
    counts: dict[str, int] = defaultdict(int)
    for line in _lines(path):
        if isinstance(line, Entry):
            counts[f"{line.kind}:{line.name}"] += 1
        elif isinstance(line, Header):
            header = line
        else:
            footer = line
    if footer.counts != counts:
        raise SnapshotError(f"{path}: its last line says {footer.counts}, it has {dict(counts)}")
    return Contents(header, footer)


def entries(path: Path) -> Iterator[Entry]:
    """All records in their order. Raises SnapshotError, at the end where the checksum differs."""
    for line in _lines(path):
        if isinstance(line, Entry):
            yield line


def _lines(path: Path) -> Iterator[Header | Entry | Footer]:
    """Header, entries and footer of a file; raises SnapshotError where it is not whole."""
    total = hashlib.sha256()
    try:
        with gzip.open(path, "rb") as file:
            first = file.readline()
            yield _header(path, first)
            total.update(first)
            for number, line in enumerate(file, 2):
                if not line.startswith(b'{"kind"'):
                    footer = msgspec.json.decode(line, type=Footer)
                    if footer.sha256 != total.hexdigest():
                        raise SnapshotError(f"{path}: the checksum is wrong, the file was changed")
                    if file.read(1):
                        raise SnapshotError(f"{path}:{number}: there is more after its last line")
                    yield footer
                    return
                total.update(line)
                yield msgspec.json.decode(line, type=Entry)
    except (EOFError, zlib.error, gzip.BadGzipFile, msgspec.DecodeError) as error:
        raise SnapshotError(f"{path}: not a whole snapshot: {error}") from None
    raise SnapshotError(f"{path}: not a whole snapshot: its last line is missing")


def _header(path: Path, line: bytes) -> Header:
    found = msgspec.json.decode(line)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise SnapshotError(f"{path}: no snapshot of stream-app")
    if found.get("version") != VERSION:
        raise SnapshotError(
            f"{path}: of format {found.get('version')!r:.9}, this stream-app reads {VERSION}: "
            "import it with the version that wrote it"
        )
    return msgspec.json.decode(line, type=Header)
