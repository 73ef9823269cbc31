import shutil
from pathlib import Path

import pytest

from stream_app.inference.bundle import (
    REQUIRED,
    SIGNATURE,
    BundleError,
    default_bundle,
    load,
    write_checksums,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small folder of the right shape: verification does not open the graph."""
    made = tmp_path / "tiny-1"
    made.mkdir()
    for name in REQUIRED:
        (made / name).write_bytes(name.encode())
    shutil.copyfile(default_bundle() / "config.json", made / "config.json")
    write_checksums(made)
    return made


def test_the_shipped_bundle_is_intact_and_small() -> None:
    bundle = load(default_bundle())
    assert bundle.version.startswith(f"{bundle.config.name}-")
    assert sum(f.stat().st_size for f in bundle.path.iterdir()) < 40e6


def test_an_intact_folder_loads(folder: Path) -> None:
    assert load(folder).config.labels == ["negative", "neutral", "positive"]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_changed_byte_is_refused(folder: Path, name: str) -> None:
    body = bytearray((folder / name).read_bytes())
    body[len(body) // 2] ^= 1
    (folder / name).write_bytes(body)
    with pytest.raises(BundleError, match=name):
        load(folder)


@pytest.mark.parametrize("name", [*REQUIRED, "SHA256SUMS"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load(folder)


def test_an_unknown_file_is_refused(folder: Path) -> None:
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"extra\.bin: not listed"):
        load(folder)


def test_a_required_file_must_be_listed_even_when_it_is_there(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(x for x in lines if "README" not in x))
    with pytest.raises(BundleError, match=r"README\.md: not listed"):
        load(folder)


@pytest.mark.parametrize("body", [b"{}", b"{", b'{"name": "../x"}'])
def test_a_config_that_does_not_fit_is_refused(folder: Path, body: bytes) -> None:
    (folder / "config.json").write_bytes(body)
    write_checksums(folder)
    with pytest.raises(BundleError, match=r"config\.json"):
        load(folder)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        load(tmp_path / "absent")


@pytest.mark.parametrize("name", REQUIRED)
def test_another_file_is_another_version(folder: Path, name: str) -> None:
    before = load(folder).version
    body = (folder / name).read_bytes()
    (folder / name).write_bytes(body + b"\n")
    write_checksums(folder)
    assert load(folder).version != before


def test_a_signature_of_other_files_goes(folder: Path) -> None:
    (folder / SIGNATURE).write_bytes(b"signed")
    write_checksums(folder)
    assert load(folder) and (folder / SIGNATURE).exists()
    (folder / "README.md").write_bytes(b"another")
    write_checksums(folder)
    assert not (folder / SIGNATURE).exists()
