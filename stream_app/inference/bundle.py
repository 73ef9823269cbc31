"""A model bundle: a folder in which every file is named in SHA256SUMS and has that hash.

Its version is the hash of SHA256SUMS, and so of every file; a signature beside it is of them too.
Required are `model.onnx`, `tokenizer.json`, `config.json`, `metrics.json` and `README.md` (the
model card). Nothing in it is executable or pickled.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stream_app.shipped import MODELS

CHECKSUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.minisig"
"""Not in SHA256SUMS, which it signs."""
REQUIRED = ("model.onnx", "tokenizer.json", "config.json", "metrics.json", "README.md")
BUNDLES = MODELS / "bundles"


class BundleError(Exception):
    """The folder is not an intact bundle; the message names the file."""


class TopicCalibration(Struct, frozen=True, forbid_unknown_fields=True):
    """Topic score = 1 / (1 + exp(-slope * (cosine - middle)))."""

    slope: Annotated[float, Meta(gt=0)]
    middle: Annotated[float, Meta(gt=-1, lt=1)]


class Config(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`config.json`: how to feed the graph and to read its outputs."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    labels: list[str]
    max_tokens: Annotated[int, Meta(ge=8)]
    pad_id: int
    pooling: Literal["attention+mean"]
    precision: Literal["int8", "float16", "float32"]
    temperature: Annotated[float, Meta(gt=0)]
    dimensions: Annotated[int, Meta(gt=0)]
    topics: TopicCalibration
    standard: bool = False
    """The graph has operators of the ONNX standard only, none of ONNX Runtime's own."""


@dataclass(frozen=True)
class Bundle:
    """A verified folder."""

    path: Path
    config: Config
    sha256: str
    """Of SHA256SUMS, and so of all files."""

    @property
    def version(self) -> str:
        """The name and a short hash of all files: another tokenizer is another version."""
        return f"{self.config.name}-{self.sha256[:8]}"

    @property
    def graph(self) -> Path:
        return self.path / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        return self.path / "tokenizer.json"


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def contents(path: Path) -> list[str]:
    """Names of all files below `path` but the checksums and their signature, with forward slashes,
    sorted."""
    files = (f for f in path.rglob("*") if f.is_file() or f.is_symlink())
    names = (f.relative_to(path).as_posix() for f in files)
    return sorted(name for name in names if name not in (CHECKSUMS, SIGNATURE))


def write_checksums(path: Path) -> None:
    """Write SHA256SUMS over all files of the folder, in the format of sha256sum. A signature of
    others goes: the folder is to be signed again."""
    lines = [f"{digest(path / name)}  {name}\n" for name in contents(path)]
    new = "".join(lines)
    if not (path / CHECKSUMS).exists() or (path / CHECKSUMS).read_text(encoding="utf-8") != new:
        (path / CHECKSUMS).write_text(new, encoding="utf-8")
        (path / SIGNATURE).unlink(missing_ok=True)


def read_checksums(path: Path) -> dict[str, str]:
    """File name to hash; raises BundleError."""
    file = path / CHECKSUMS
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{file}: not readable ({type(error).__name__})") from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if match is None:
            raise BundleError(f"{file}: line {number} is not '<sha256>  <file>'")
        sums[match[2]] = match[1]
    return sums


def fingerprint(path: Path) -> str:
    """SHA-256 of the checksums, and so of the whole bundle; raises BundleError."""
    try:
        return digest(path / CHECKSUMS)
    except OSError as error:
        raise BundleError(f"{path / CHECKSUMS}: not readable ({type(error).__name__})") from error


def mismatch(candidate: Config, current: Config) -> str | None:
    """Why one bundle cannot take the other's place; None if it can."""
    if candidate.labels != current.labels:
        return f"labels are {candidate.labels}, not {current.labels}"
    if candidate.dimensions != current.dimensions:
        # Records and item vectors hold embeddings of the old length.
        return f"{candidate.dimensions} dimensions, not {current.dimensions}"
    return None


def verify(path: Path, required: Sequence[str]) -> dict[str, str]:
    """Check that a folder holds what is required, and that every file is listed and has its hash.

    Returns file name to hash; raises BundleError.
    """
    if not path.is_dir():
        raise BundleError(f"{path}: no such folder")
    sums = read_checksums(path)
    present = contents(path)
    for name in (*required, *sums):
        if name not in present:
            raise BundleError(f"{path / name}: missing")
    for name in present:
        if name not in sums:
            raise BundleError(f"{path / name}: not listed in {CHECKSUMS}")
        if (path / name).is_symlink() or digest(path / name) != sums[name]:
            raise BundleError(f"{path / name}: differs from {CHECKSUMS}")
    return sums


def load(path: Path) -> Bundle:
    """Verify every file of the folder and read its config; raises BundleError."""
    verify(path, REQUIRED)
    try:
        config = read_config((path / "config.json").read_bytes())
    except ValueError as error:
        raise BundleError(f"{path / 'config.json'}: {error}") from error
    return Bundle(path, config, fingerprint(path))


def read_config(data: bytes) -> Config:
    """The config from its JSON; raises ValueError."""
    try:
        return msgspec.json.decode(data, type=Config)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def default_bundle() -> Path:
    """Folder of the bundle that comes with the project (the last by name); raises BundleError."""
    folders = sorted(f.parent for f in BUNDLES.glob(f"*/{CHECKSUMS}"))
    if not folders:
        raise BundleError(f"{BUNDLES}: holds no bundle")
    return folders[-1]
