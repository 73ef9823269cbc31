"""The package as a stranger installs it: what a wheel holds, and that it runs beside their own.

Ours is built by the backend that pyproject.toml names, as installed here; nothing is built twice.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

pytestmark = pytest.mark.package

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
WITHIN = {"stream_app": "stream_app", "models": "stream_app/shipped/models",
          "schemas": "stream_app/shipped/schemas"}  # fmt: skip
"""Where a wheel holds the folders of the top level."""


def build(tree: Path, target: str, out: Path) -> Path:
    """Builds the `wheel` or the `sdist` of a tree that lies anywhere."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=120)
    (built,) = out.iterdir()
    return built


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return {name for name in opened.namelist() if not name.endswith("/")}


def copied(paths: Iterable[Path], folder: Path) -> Path:
    """The given parts of the tree elsewhere, with nothing that Python left among them."""
    for path in paths:
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / path.name, ignore=ignored)
        else:
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel, what it needs, and no more."""
    folder = tmp_path_factory.mktemp("stranger")
    uv = [sys.executable, "-m", "uv"]
    made = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    for command in (
        [*uv, "venv", "--quiet", "--python", sys.executable, "env"],
        [*uv, "pip", "install", "--quiet", "--python", str(made), f"{wheel}[embedded]"],
    ):
        subprocess.run(command, cwd=folder, check=True, timeout=280)
    return made


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A stranger's folder, whose own modules say that they were imported."""
    for name in ("models.py", "schemas/__init__.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("from pathlib import Path\nPath(__file__ + '.imported').touch()\n")
    return tmp_path


def run(folder: Path, *command: str | Path) -> "subprocess.CompletedProcess[str]":
    """As in a shell of the stranger's, who has put the folder on the path of modules."""
    own = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=own | {"PYTHONPATH": str(folder)},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        return message_from_bytes(opened.read(f"stream_app-{VERSION}.dist-info/METADATA"))


def test_a_wheel_has_one_name_of_its_own(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names(wheel)}
    assert tops == {"stream_app", f"stream_app-{VERSION}.dist-info"}


def test_a_wheel_holds_all_that_lies_in_the_tree(wheel: Path) -> None:
    expected = {
        f"{there}/{file.relative_to(ROOT / here).as_posix()}"
        for here, there in WITHIN.items()
        for file in (ROOT / here).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    held = {name for name in names(wheel) if name.startswith("stream_app/")}
    assert held == expected
    assert "stream_app/py.typed" in held


def test_a_wheel_says_what_it_is(wheel: Path) -> None:
    said = metadata(wheel)
    assert (said["Name"], said["Version"]) == ("stream-app", VERSION)
    assert said["License-Expression"] == "MIT" and said["License-File"] == "LICENSE"
    addresses = dict(line.split(", ") for line in said.get_all("Project-URL", []))
    assert {"Documentation", "Changelog", "Source", "Issues"} <= addresses.keys()
    assert all(address.startswith("https://") for address in addresses.values())


def test_an_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, "sdist", tmp_path / "sdist")) as opened:
        opened.extractall(tmp_path, filter="data")
    tree = tmp_path / f"stream_app-{VERSION}"
    assert names(build(tree, "wheel", tmp_path / "again")) == names(wheel)


def test_what_the_image_is_built_from_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    sent = [ROOT / line[1:] for line in lines if line.startswith("!")]
    (tmp_path / "context").mkdir()
    tree = copied(sent, tmp_path / "context")
    assert names(build(tree, "wheel", tmp_path / "out")) == names(wheel)


def test_the_demo_runs_beside_a_strangers_own_modules(python: Path, beside: Path) -> None:
    done = run(beside, python.with_name("stream-app"), "demo", "--once", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["unaccounted"] == 0 < figures["analyses"]
    assert not [*beside.rglob("*.imported")], "the demo has imported what is not ours"


def test_a_strangers_modules_are_found_beside_ours(python: Path, beside: Path) -> None:
    program = "import stream_app, models, schemas; print(models.__file__, schemas.__file__)"
    done = run(beside, python, "-c", program)
    found = [str(beside / "models.py"), str(beside / "schemas/__init__.py")]
    assert done.stdout.split() == found, done.stderr
    # Nor does one who has none get ours.
    alone = run(beside.parent, python, "-c", "import models")
    assert "No module named 'models'" in alone.stderr


def test_a_build_without_isolation_installs_elsewhere(tmp_path: Path) -> None:
    """As the Dockerfile does: `pip install .`, the backend at hand, nothing fetched."""
    (tmp_path / "tree").mkdir()
    tree = copied(
        (ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE", *WITHIN)),
        tmp_path / "tree",
    )
    there = tmp_path / "there"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(there), "."],
        cwd=tree, check=True, timeout=240,
    )  # fmt: skip
    program = "from stream_app import shipped; print(shipped.MODELS)"
    done = run(there, sys.executable, "-S", "-c", program)
    assert done.stdout.strip() == str(there / "stream_app/shipped/models"), done.stderr
