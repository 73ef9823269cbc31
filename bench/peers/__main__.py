"""The same job with the same bundle on other frameworks, beside the worker, on Apache Kafka.

    pip install -e '.[dev,peers]'
    python -m bench.peers [NAME ...] [--rounds N] [--quick] [--out FILE]

Contestants take turns in every round; figures are medians of the rounds. Each is killed once, in
the last round. Broker, load and contestant share this machine's cores: compare ratios.
"""

import argparse
import asyncio
import datetime
import itertools
import json
import logging
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench.load import Load, draw
from bench.peers.contest import CONTESTANTS, TRAIL, Contestant, Course, compete, prepare
from bench.peers.outcome import Outcome
from bench.peers.picture import draw_picture
from bench.pipeline import WARM, Rounds, bare, rounded
from bench.run import children
from stream_app import settings as settings_module
from stream_app.broker.kafka import KafkaCluster
from stream_app.inference.batching import plan
from stream_app.inference.runtime import Model
from stream_app.pipeline import open_model
from stream_app.settings import Settings
from stream_app.training.model.evaluation import machine

RESULTS = Path(__file__).parent.parent / "results" / "peers.json"
BARE = "the model alone"
SESSION = 6.0
"""Seconds until a killed member's partitions move: what a broker accepts at least."""
WIDTH = 130
Row = dict[str, Any]


class Peers:
    """All rounds on one broker."""

    def __init__(self, settings: Settings, brokers: list[int]) -> None:
        self._settings, self._brokers = settings, brokers
        self._runs = itertools.count()
        self._model: Model = open_model(settings)
        self.figures = Rounds()
        self.outcomes: dict[str, Outcome] = {}
        self.failed: dict[str, str] = {}

    def course(self, burst: int, seconds: float, killed: int) -> Course:
        """Reviews for a round; the steady load is half of what the model alone reads now."""
        few = draw(1000, self._settings).prepared
        bare(self._model, few[:500], plan)
        speeds = [bare(self._model, few, plan)["reviews_per_s"] for _ in range(3)]
        rate = round(max(speeds) / 2)
        return prepare(
            self._model, self._settings, burst=burst, rate=rate, seconds=seconds, killed=killed
        )

    async def round(self, contestants: Sequence[Contestant], course: Course, *, kill: bool) -> None:
        """The model alone, then each contestant that has not failed."""
        texts = course.load.prepared[WARM : WARM + course.burst]
        alone = bare(self._model, texts, plan)
        self.figures.add(BARE, alone)
        for contestant in contestants:
            if contestant.name in self.failed:
                continue
            name = f"peers-{next(self._runs)}"
            fresh = msgspec.structs.replace(self._settings, app=name, prefix=f"{name}-")
            try:
                own, outcome = await compete(contestant, course, fresh, self._brokers, kill=kill)
            except (RuntimeError, TimeoutError, subprocess.SubprocessError) as error:
                self.failed[contestant.name] = f"failed: {error or type(error).__name__}"
                print(f"  {contestant.name:<18} {self.failed[contestant.name]}", flush=True)
                continue
            own["percent_of_model"] = 100 * own["reviews_per_s"] / alone["reviews_per_s"]
            own["beyond_model_us"] = own["cpu_us"] - alone["cpu_us"]
            self.figures.add(contestant.name, own)
            print(f"  {'':<18}", *(f"{k} {v}" for k, v in outcome._asdict().items()), flush=True)
            self.outcomes[contestant.name] = outcome

    def describe(self, load: Load) -> dict[str, Any]:
        """The bundle and the texts."""
        return {"bundle": self._model.version, "texts": load.describe(self._model)}


def rows(peers: Peers, contestants: Sequence[Contestant]) -> list[Row]:
    """One row a contestant, whether it took part or not."""
    medians = peers.figures.medians()
    found: list[Row] = [{"name": BARE} | medians[BARE]]
    for contestant in contestants:
        version = contestant.version()
        row: Row = {"name": contestant.name, "package": contestant.package, "version": version}
        row["note"] = contestant.note
        if version is None:
            row["absent"] = "not installed"
        elif contestant.name in peers.failed:
            row["absent"] = peers.failed[contestant.name]
        else:
            row |= medians[contestant.name]
            row["after_kill"] = peers.outcomes[contestant.name]._asdict()
        found.append(row)
    return found


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    rate = result["latency_at_reviews_per_s"]
    table = Table(title=f"{result['rounds']} rounds, medians; latency at {rate:g} reviews/s")
    table.add_column("", no_wrap=True)
    columns = ("reviews/s", "% of model", "CPU µs", "beyond it", "p50 ms", "p99 ms")
    for column in (*columns, "lost", "repeated", "renamed", "differing"):
        table.add_column(column, justify="right")
    keys = ("reviews_per_s", "percent_of_model", "cpu_us", "beyond_model_us", "p50_ms", "p99_ms")
    for row in result["rows"]:
        if "absent" in row:
            table.add_row(row["name"], "–")
            continue
        cells = [f"{row[key]:.0f}" if key in row else "" for key in keys]
        table.add_row(row["name"], *cells, *map(str, row.get("after_kill", {}).values()))
    console = Console(width=WIDTH)
    console.print(table)
    for row in result["rows"]:
        if "absent" in row:
            console.print(f"{row['name']} ({row['package']}): {row['absent']}")
        elif "note" in row:
            console.print(f"{row['name']} ({row['package']} {row['version']}): {row['note']}")
    console.print("absolute figures drift with the machine; compare ratios")


def main() -> None:
    """Measure, print, write, draw."""
    names = [contestant.name for contestant in CONTESTANTS]
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", help=f"of {'; '.join(names)}. Default: all")
    parser.add_argument("--rounds", type=int, help="default: 3, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS.name}; with --quick none")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        parser.error(f"no contestant {', '.join(sorted(unknown))}")
    contestants = [c for c in CONTESTANTS if not given.names or c.name in given.names]
    count = given.rounds or (1 if given.quick else 3)
    burst, seconds, killed = (1000, 2, 1000) if given.quick else (3000, 8, 3000)
    # Topics that have just been made have no leader yet, and our clients tell.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    start = time.perf_counter()
    before = set(children())
    with KafkaCluster() as broker:
        settings = settings_module.load(broker=broker.bootstrap, session_timeout=SESSION)
        peers = Peers(settings, [pid for pid in children() if pid not in before])
        course = peers.course(burst, seconds, killed)
        installed = [contestant for contestant in contestants if contestant.version()]
        for number in range(count):
            print(f"round {number + 1} of {count}", flush=True)
            asyncio.run(peers.round(installed, course, kill=number == count - 1))
    result = {
        "command": " ".join(["python -m bench.peers", *(["--quick"] if given.quick else [])]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "broker": "Apache Kafka, one node, on the same cores",
        "note": "broker, load and contestant share the cores; absolute figures drift, ratios hold",
        "method": {
            "job": "reviews to analyses by the product's own processor, one batch a call, the same "
            "bundle and threads; at least once: offsets are kept after the analyses are stored",
            "reviews_per_s": f"{WARM} reviews to idle, then {burst} that are all in the topic "
            "when the clock starts, until the last analysis is stored (recommendation, for the "
            "whole), by the broker's timestamps",
            "cpu_us": "of the contestant's processes, a review, from idle to idle",
            "p50_ms, p99_ms": "from produce to the broker's timestamp of the analysis, at half of "
            "what the model alone reads",
            "after_kill": f"{killed - TRAIL} reviews laid up, SIGKILL when a third of their "
            f"analyses are stored, started again, {TRAIL} reviews more when nothing comes any "
            f"more; session timeout {SESSION:g} s",
        },
        **peers.describe(course.load),
        "rounds": count,
        "latency_at_reviews_per_s": course.rate,
        "rows": rows(peers, contestants),
    }
    show(result)
    print(f"{time.perf_counter() - start:.0f} s")
    out = given.out or (None if given.quick else RESULTS)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(rounded(result), indent=1, ensure_ascii=False) + "\n")
        draw_picture(result, out.with_suffix(".png"))


if __name__ == "__main__":
    main()
