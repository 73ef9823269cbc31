"""What is said of an image's origin, and how the scripts beside it begin."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
IMAGE, DIGEST = "sha256:" + "1" * 64, "2" * 64


def stated(base: str) -> dict[str, Any]:
    given = {
        "id": IMAGE, "base": base, "revision": "abc", "version": "0.2.0", "tool": "buildah 1.28",
    }  # fmt: skip
    arguments = [part for name, value in given.items() for part in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy/image/provenance.py"), *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_statement_names_the_image_the_commit_the_base_and_every_lock() -> None:
    found = stated(f"docker.io/library/python@sha256:{DIGEST}")
    assert found["subject"] == [{"name": "stream-app:0.2.0", "digest": {"sha256": "1" * 64}}]
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    used = {
        part["uri"]: part.get("digest")
        for part in found["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    assert used["git:."] == {"gitCommit": "abc"}
    assert used["docker://docker.io/library/python"] == {"sha256": DIGEST}
    for file in [ROOT / "Dockerfile", *(ROOT / "requirements").glob("*.txt")]:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert used[f"file:{file.relative_to(ROOT)}"] == {"sha256": digest}


def test_a_base_by_tag_has_no_digest_that_nobody_looked_up() -> None:
    dependencies = stated("docker.io/library/python:3.12")["predicate"]["buildDefinition"]
    assert {"uri": "docker://docker.io/library/python:3.12"} in dependencies["resolvedDependencies"]


def test_an_audit_asks_osv_or_says_that_it_does_not(tmp_path: Path) -> None:
    """With a stand-in for pip-audit, that prints what it is asked."""
    done = subprocess.run(
        [str(ROOT / ".ci/audit"), "echo", "build", "otel"], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    asked = done.stdout.splitlines()
    assert [line.rsplit("/", 1)[1] for line in asked] == ["build.txt", "otel.txt"]
    by_osv = all("--vulnerability-service osv" in line for line in asked)
    assert by_osv != ("OSV (api.osv.dev) is not reached" in done.stderr)


def test_an_audit_fails_when_a_lock_has_something_known() -> None:
    done = subprocess.run([str(ROOT / ".ci/audit"), "false", "build"], check=False)
    assert done.returncode == 1
