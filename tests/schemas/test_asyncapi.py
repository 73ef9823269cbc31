"""The AsyncAPI document before the specification's own parser."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import needs

HERE = Path(__file__).parent / "asyncapi"
DOCUMENT = Path(__file__).parents[2] / "schemas/asyncapi.json"
UNREACHED = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")


@pytest.fixture(scope="module")
def checker() -> Path:
    """`check.mjs` beside the installed parser, in a folder kept between runs."""
    needs.tool("npm"), needs.tool("node")
    given = os.environ.get("STREAM_APP_CACHE")
    cache = Path(given) if given else Path.home() / ".cache/stream-app"
    package = (HERE / "package.json").read_bytes()
    folder = cache / "asyncapi" / hashlib.sha256(package).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "check.mjs"):
        shutil.copyfile(HERE / name, folder / name)
    # npm writes this file last: without it, an install was cut off.
    if not (folder / "node_modules/.package-lock.json").exists():
        install = "npm install --no-audit --no-fund --no-package-lock --ignore-scripts"
        done = subprocess.run(
            [*install.split(), "--loglevel=error", "--fetch-retries=1"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if done.returncode and any(code in done.stderr for code in UNREACHED):
            needs.unavailable(f"the npm registry is not reached: {done.stderr[:300]}")
        assert done.returncode == 0, done.stderr
    return folder / "check.mjs"


def run(checker: Path, document: Path) -> subprocess.CompletedProcess[str]:
    command = ["node", str(checker), str(document)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_parser_finds_no_error(checker: Path) -> None:
    done = run(checker, DOCUMENT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_parser_finds_a_broken_document(checker: Path, tmp_path: Path) -> None:
    broken = tmp_path / "asyncapi.json"
    text = DOCUMENT.read_text(encoding="utf-8")
    broken.write_text(text.replace('"action": "receive"', '"action": "listen"'), encoding="utf-8")
    done = run(checker, broken)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error" in done.stdout
