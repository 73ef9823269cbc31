"""A snapshot file is whole, or it is refused."""

import gzip
from pathlib import Path

import msgspec
import pytest

from stream_app.delivery.snapshot import (
    Entry,
    Header,
    Place,
    SnapshotError,
    check,
    entries,
    record_version,
    writing,
)

HEADER = Header("app", 4, 1.0, ["interests"], ["trends"])
PLACES = {"reviews": {0: Place(3, 7, (6, 1000))}}
RECORDS = [
    Entry("table", "interests", 0, b"user", msgspec.msgpack.encode([2, 1.5])),
    Entry("table", "interests", 3, b"\x00\xff", msgspec.msgpack.encode([1])),
    Entry("topic", "trends", 0, b"item:1", b"{}", [("ce_id", b"1"), ("empty", None)], 5),
    Entry("pending", "reviews", 0, None, None, [], 6, 3),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.gz"
    with writing(path, HEADER) as file:
        for record in RECORDS:
            file.add(record)
        file.end(PLACES)
    return path


def change(path: Path, old: bytes, new: bytes) -> None:
    """As if somebody had edited it."""
    text = gzip.decompress(path.read_bytes())
    assert old in text
    path.write_bytes(gzip.compress(text.replace(old, new)))


def test_what_goes_in_comes_out(path: Path) -> None:
    assert list(entries(path)) == RECORDS
    contents = check(path)
    assert contents.header == HEADER
    assert contents.footer.places == PLACES
    assert contents.footer.versions == {"interests": [1, 2]}
    assert [contents.count(kind) for kind in ("table", "topic", "pending")] == [2, 1, 1]


def test_the_same_records_are_the_same_file(path: Path, tmp_path: Path) -> None:
    with writing(tmp_path / "again.gz", HEADER) as file:
        for record in RECORDS:
            file.add(record)
        file.end(PLACES)
    assert (tmp_path / "again.gz").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_part_is_refused(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SnapshotError, match="not a whole snapshot"):
        check(path)


def test_without_its_last_line_it_is_refused(path: Path) -> None:
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:-1])))
    with pytest.raises(SnapshotError, match="last line is missing"):
        check(path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"app":"app"', b'"app":"other"', "checksum"),
        (b'"partition":3', b'"partition":2', "checksum"),
        (b'"table:interests":2', b'"table:interests":3', "it has"),
        (b'"version":1', b'"version":9', "format 9"),
        (b"stream-app snapshot", b"another's", "no snapshot"),
        (b'"kind":"topic"', b'"kind":"joke"', "not a whole snapshot"),
    ],
)
def test_what_was_changed_is_refused(path: Path, old: bytes, new: bytes, said: str) -> None:
    change(path, old, new)
    with pytest.raises(SnapshotError, match=said):
        check(path)


def test_what_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"no gzip", gzip.compress(b"[]\n"), gzip.compress(b""))):
        path = tmp_path / str(number)
        path.write_bytes(content)
        with pytest.raises(SnapshotError):
            check(path)


def test_a_failed_export_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "state.gz"
    with pytest.raises(RuntimeError, match="broker"), writing(path, HEADER) as file:
        file.add(RECORDS[0])
        raise RuntimeError("the broker is gone")
    assert list(tmp_path.iterdir()) == []


def test_the_version_of_a_record() -> None:
    assert record_version(msgspec.msgpack.encode([3, "x"])) == 3
    for value in (b"", b"\xc1", msgspec.msgpack.encode({}), msgspec.msgpack.encode([True])):
        assert record_version(value) == 0
