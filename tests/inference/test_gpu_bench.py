"""`python -m bench.gpu` where there is no card: the CPU measured, the others skipped with why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stream_app.inference.providers import CPU, CUDA, why_unavailable
from tests import needs

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(why_unavailable(CUDA) is None, reason=f"{needs.CARD}there is a card")
@pytest.mark.slow
def test_without_a_card_the_cpu_is_measured_and_the_rest_skipped() -> None:
    command = [sys.executable, "-m", "bench.gpu", "--quick", "--no-pipeline", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cpu, *others = json.loads(done.stdout)["rows"]
    assert (cpu["provider"], cpu["precision"], cpu["runs_on"]) == ("cpu", "int8", CPU)
    assert {(b["rows"], b["io"]) for b in cpu["batches"]} >= {(1, "bound"), (1, "plain")}
    assert all(b["reviews_per_s"] > 0 and b["p50_ms"] <= b["p99_ms"] for b in cpu["batches"])
    assert cpu["processes"][0]["of_cpu"] == 1
    found = [(row["provider"], row["precision"]) for row in others]
    assert found == [("cuda", "float32"), ("cuda", "float16"), ("tensorrt", "float16")]
    for row in others:
        assert set(row) == {"provider", "precision", "skipped"}
        line = f"{row['provider']:<9}{row['precision']:<8} skipped: {row['skipped']}"
        assert line in done.stderr.splitlines()
        assert row["skipped"] == "no CUDA device" or "get_available_providers" in row["skipped"]
