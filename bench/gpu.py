"""The model on CPU, CUDA and TensorRT in one run: batches, processes on one card, the whole worker.

    python -m bench.gpu [BUNDLE ...] [--quick] [--no-pipeline] [--json] [--out FILE]

The CPU runs the shipped int8 bundle, unless one is given. The others need bundles of their
precision, made where the training extra is:

    stream-app model export CHECKPOINT FLOAT32
    stream-app model quantise CHECKPOINT FLOAT16 --precision float16
    stream-app model quantise CHECKPOINT STANDARD --precision float16 --standard

What a machine lacks is skipped with the reason; the CPU is always measured. `batches`: one caller,
with and without IO binding. `processes`: so many on one card, each as a worker does it, tokenising
included. `pipeline`: the job of `bench.pipeline` with the embedded broker. `of_cpu` is the ratio
to the CPU's row of the same run.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import numpy as np

from bench.load import SEED, Load, draw
from bench.pipeline import bare, fixed, rounded, throughput
from bench.run import children
from models.batching import limits, plan
from models.bundle import Bundle, default_bundle, load
from models.evaluation import machine, today
from models.metrics import Floats, Ints
from models.providers import ORDER, First, absent, unfit
from models.runtime import Model
from stream_app import settings as settings_module
from stream_app.broker import BrokerError
from stream_app.broker.embedded import EmbeddedBroker

RESULTS = Path(__file__).parent / "results" / "gpu.json"
SIZES = (1, 8, 32, 128, 256)
PROCESSES = (1, 2, 4)
LATEST = 1800.0
"""Seconds until all processes are ready; TensorRT may build its engine meanwhile."""
Row = dict[str, Any]


class Contestant(NamedTuple):
    """Where a precision runs."""

    provider: First
    precision: str


CONTESTANTS = (
    Contestant("cpu", "int8"),
    Contestant("cuda", "float32"),
    Contestant("cuda", "float16"),
    Contestant("tensorrt", "float16"),
)


class Job(NamedTuple):
    """What a process needs to know; `seconds` is how long each figure is taken."""

    contestant: Contestant
    folder: Path
    engines: Path
    texts: list[str]
    seconds: float

    def open(self) -> Model:
        """The model where it should run; raises RuntimeError if the session did not get it."""
        first = self.contestant.provider
        model = Model(load(self.folder), first=first, engines=self.engines)
        if model.provider != ORDER[first]:
            raise RuntimeError(f"the session got {model.provider} instead of {ORDER[first]}")
        return model


def choose(contestant: Contestant, bundles: Sequence[Bundle]) -> Bundle | str:
    """The bundle that runs there, or why none does."""
    provider = ORDER[contestant.provider]
    if (reason := absent(provider)) is not None:
        return reason
    found = [bundle for bundle in bundles if bundle.config.precision == contestant.precision]
    if not found:
        return f"no {contestant.precision} bundle is given"
    fit = [bundle for bundle in found if unfit(provider, bundle) is None]
    return fit[0] if fit else str(unfit(provider, found[0]))


def plain(model: Model, ids: Ints, mask: Ints) -> tuple[Floats, Floats]:
    """As `Model.run`, without IO binding."""
    feeds = {"input_ids": ids, "attention_mask": mask}
    logits, pooled = model.session.run(["logits", "pooled"], feeds)
    return logits, pooled


def batches(job: Job) -> Row:
    """One caller: sub-batches of similar length by size, with and without IO binding in turns."""
    clock = time.perf_counter()
    model = job.open()
    row: Row = {"runs_on": model.provider, "open_s": time.perf_counter() - clock, "batches": []}
    encodings = model.encode(job.texts)
    ways: dict[str, Callable[[Ints, Ints], object]] = {
        "bound": model.run,
        "plain": partial(plain, model),
    }
    for size in SIZES:
        cut = [b for b in fixed(size)([len(e) for e in encodings]) if len(b) == size]
        random.Random(SEED).shuffle(cut)
        padded = [model.pad([encodings[i] for i in batch]) for batch in cut]
        for seconds in (job.seconds / 4, job.seconds):  # the first to warm up
            times: dict[str, list[float]] = {name: [] for name in ways}
            end = time.perf_counter() + 2 * seconds
            for ids, mask in itertools.cycle(padded):
                for name, run in ways.items():
                    clock = time.perf_counter()
                    run(ids, mask)
                    times[name].append(time.perf_counter() - clock)
                if time.perf_counter() > end:
                    break
        for name, taken in times.items():
            p50, p99 = (float(q) for q in 1e3 * np.percentile(taken, (50, 99)))
            speed = size * len(taken) / sum(taken)
            row["batches"].append(
                {"rows": size, "io": name, "reviews_per_s": speed, "p50_ms": p50, "p99_ms": p99}
            )
    return row


def serve(job: Job, together: Barrier) -> float:
    """Reviews a second of one process that begins when all are ready."""
    try:
        model = job.open()
        bounds = limits(model.provider)
        read = partial(bare, model, job.texts, lambda lengths: plan(lengths, **bounds))
        read()
    except BaseException:
        together.abort()
        raise
    together.wait(LATEST)
    rounds, start = 0, time.perf_counter()
    while time.perf_counter() - start < job.seconds:
        read()
        rounds += 1
    return rounds * len(job.texts) / (time.perf_counter() - start)


def model_row(job: Job) -> Row:
    """Batches, and so many processes at once; fresh ones, which leave the card when they end."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        row = pool.submit(batches, job).result()
    row["processes"] = []
    for count in PROCESSES if job.contestant.provider != "cpu" else (1,):
        with context.Manager() as manager, ProcessPoolExecutor(count, context) as pool:
            speeds = list(pool.map(serve, [job] * count, [manager.Barrier(count)] * count))
        row["processes"].append({"processes": count, "reviews_per_s": sum(speeds)})
    return row


def pipeline_row(provider: First, folder: Path, reviews: Load) -> Row:
    """A worker on the embedded broker, or why there is none."""
    before = set(children())
    try:
        with EmbeddedBroker() as broker:
            brokers = [pid for pid in children() if pid not in before]
            settings = settings_module.load(
                broker=broker.bootstrap, idempotent=False, app="bench-gpu", prefix="bench-gpu-",
                bundle=str(folder), provider=provider,
            )  # fmt: skip
            return dict(asyncio.run(throughput("all", reviews, settings, brokers))[0])
    except BrokerError as error:
        return {"skipped": f"the embedded broker does not start: {error}"}


def compare(row: Row, cpu: Row) -> None:
    """Add `of_cpu`, the ratio to the CPU's figures."""
    one = cpu["processes"][0]
    pairs = [*zip(row["batches"], cpu["batches"], strict=True)]
    pairs += [(own, one) for own in row["processes"]]
    pairs += [(row["pipeline"], cpu["pipeline"])] if "pipeline" in row else []
    for own, other in pairs:
        if "skipped" not in own and "skipped" not in other:
            own["of_cpu"] = own["reviews_per_s"] / other["reviews_per_s"]


def measure_one(bundle: Bundle, at: Contestant, reviews: Load, given: argparse.Namespace) -> Row:
    """All figures of a contestant, or why they could not be taken."""
    texts = reviews.prepared[:256] if given.quick else reviews.prepared
    with tempfile.TemporaryDirectory(prefix="stream-app-engines-") as engines:
        job = Job(at, bundle.path, Path(engines), texts, 0.1 if given.quick else 3.0)
        try:
            row: Row = {"bundle": bundle.version} | model_row(job)
            if given.pipeline:
                row["pipeline"] = pipeline_row(at.provider, bundle.path, reviews)
        except Exception as error:
            if at.provider == "cpu":
                raise
            return {"skipped": f"{type(error).__name__}: {error}"}
    return row


def measure(given: argparse.Namespace) -> list[Row]:
    """A row for each contestant, measured or skipped."""
    bundles = [load(folder) for folder in (*given.bundles, default_bundle())]
    reviews = draw(1024 if given.quick else 5000, settings_module.load())
    rows: list[Row] = []
    for contestant in CONTESTANTS:
        bundle = choose(contestant, bundles)
        row = contestant._asdict()
        rows.append(row)
        if isinstance(bundle, str):
            row["skipped"] = bundle
        else:
            row |= measure_one(bundle, contestant, reviews, given)
        if "skipped" not in row:
            compare(row, rows[0])
        show(row)
    return rows


def show(row: Row) -> None:
    """Print a row, a line for each figure; not among the JSON."""
    name = f"{row['provider']:<9}{row['precision']:<8}"
    figures = [*row.get("batches", ()), *row.get("processes", ())]
    if "pipeline" in row:
        figures.append({"pipeline": "1 worker"} | row["pipeline"])
    said = [f"skipped: {row['skipped']}"] if "skipped" in row else [row["bundle"]]
    said += [", ".join(f"{k} {v}" for k, v in rounded(figure).items()) for figure in figures]
    for line in said:
        print(name, line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bundles", type=Path, nargs="*", help="float32, float16, int8")
    parser.add_argument("--quick", action="store_true", help="short, to see that it runs")
    parser.add_argument("--pipeline", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", action="store_true", help="print it too")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS.name}; with --quick none")
    given = parser.parse_args()
    result = {
        "command": "python -m bench.gpu" + (" --quick" if given.quick else ""),
        "date": today(),
        "machine": machine(),
        "rows": rounded(measure(given)),
    }
    text = json.dumps(result, indent=1)
    if given.json:
        print(text)
    out = given.out or (None if given.quick else RESULTS)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
