"""The demo as a newcomer runs it, and how it tells of failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream_app.demo import corpus

pytestmark = pytest.mark.broker


def demo(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "stream_app", "demo", "--once", "--json"],
        capture_output=True, text=True, timeout=240, env=dict(os.environ) | environment,
    )  # fmt: skip


def test_every_input_is_accounted_for_and_what_was_planted_is_found() -> None:
    done = demo()
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    data = corpus.load()
    assert figures["unaccounted"] == 0
    assert figures["reviews_in"] + figures["behaviours_in"] + figures["items_in"] == (
        len(data.reviews) + len(data.behaviours) + len(data.items) + len(data.malformed)
    )
    assert figures["analyses"] == len({review.review_id for review in data.reviews})
    assert figures["dead_letters"] == len(data.malformed) == 10
    assert f"item:{corpus.SURGE_ITEM}" in figures["surges"]
    assert figures["surges_over"] >= 1
    assert figures["severe_alerts"] >= 3
    assert figures["users"] == len(
        {r.user_id for r in data.reviews} | {b.user_id for b in data.behaviours}
    )
    assert figures["seconds"] > 0


def test_a_worker_that_cannot_start_is_told_in_one_line(tmp_path: Path) -> None:
    done = demo(STREAM_APP_BUNDLE=str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path) in done.stderr.splitlines()[-1]
