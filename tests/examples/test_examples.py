"""Every example is run as its header says: `# run: …`, from the top of the repository.

One whose header also says what it `needs` is run by another, and so is one that holds only data.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stream_app.broker.process import free_ports

ROOT = Path(__file__).parents[2]
FILES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "examples").iterdir())}
RUN = re.compile(r"^# run: (.+)$", re.MULTILINE)
NEEDS = re.compile(r"^# needs: ", re.MULTILINE)
ALONE = {
    name: found[1]
    for name, text in FILES.items()
    if (found := RUN.search(text)) and not NEEDS.search(text)
}


def run(name: str, **environment: str) -> str:
    """What the example prints, with the commands of this environment first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ALONE[name], shell=True, cwd=ROOT, env=os.environ | {"PATH": path} | environment,
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def by_topic(output: str) -> dict[str, list[Any]]:
    """What a replay puts out: the values of each topic, and of each table."""
    found: dict[str, list[Any]] = {}
    for record in map(json.loads, output.splitlines()):
        name = record.get("topic") or record["table"]
        found.setdefault(name, []).append(record.get("value") or record["headers"])
    return found


def test_every_file_is_run_or_used() -> None:
    tested = {"replay.sh", "hotel.toml", "live.sh"}
    assert set(ALONE) == tested
    for name in FILES.keys() - tested:
        assert any(name in FILES[other] for other in tested), f"nothing runs or reads {name}"


def test_a_file_of_events_is_replayed() -> None:
    found = by_topic(run("replay.sh"))
    assert [analysis["sentiment"] for analysis in found["analyses"]] == ["negative", "positive"]
    assert [alert["subject"] for alert in found["alerts"]] == ["item:p1"]
    assert {ranked["user_id"] for ranked in found["recommendations"]} == {"u1", "u2"}
    assert len(found["dead-letters"]) == 1
    assert len(found["interests"]) == 2, "the final state too"


def test_a_profile_of_ones_own_names_its_topics_masks_and_safety_words() -> None:
    found = by_topic(run("hotel.toml"))
    named = [[topic["id"] for topic in analysis["topics"]] for analysis in found["analyses"]]
    assert named == [["service"], ["room"], ["breakfast"], ["room"]]
    assert "[BOOKING]" in found["analyses"][0]["text"]
    (alert,) = found["alerts"]
    assert alert["evidence"]["words"] == ["bed bugs"]


@pytest.mark.broker
def test_a_producer_and_a_subscriber_talk_through_a_worker() -> None:
    (port,) = free_ports(1)
    assert run("live.sh", PORT=str(port)).splitlines()[-1].startswith("severe item:p1: safety word")
