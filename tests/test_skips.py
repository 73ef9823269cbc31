"""In CI a skip for anything but an engine or a card fails the run; elsewhere none does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = """
def test_without_an_engine():
    pytest.skip(needs.ENGINE + "none here")

def test_without_a_card():
    pytest.skip(needs.CARD + "none here")
"""
LACKING = """
def test_without_a_tool():
    needs.tool("a-tool-of-nobodys")

def test_without_a_module():
    needs.module("a_module_of_nobodys", "extra")
"""
HIDING = """
def test_that_hides():
    pytest.skip("no time")
"""


@pytest.mark.parametrize(
    ("tests", "ci", "processes", "outcome"),
    [
        (ALLOWED + LACKING + HIDING, "", 0, "5 skipped"),
        (ALLOWED, "true", 0, "2 skipped"),
        (LACKING, "true", 0, "2 failed"),
        (ALLOWED + HIDING, "true", 0, "CI must not skip this: no time"),
        (ALLOWED + HIDING, "true", 1, "CI must not skip this: no time"),
    ],
)
def test_a_skip(tmp_path: Path, tests: str, ci: str, processes: int, outcome: str) -> None:
    (tmp_path / "test_some.py").write_text(f"import pytest\nfrom tests import needs\n{tests}")
    command = ["pytest", "-p", "tests.skips", "-n", str(processes), "--disable-warnings"]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path, env=os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert outcome in done.stdout, done.stdout + done.stderr
    assert done.returncode == (0 if "skipped" in outcome else 1)
