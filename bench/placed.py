"""One model where it is told to run: batches by size, and several processes at once.

`batches`: one caller, with and without IO binding in turns. `processes`: so many at once, each as
a worker does it, tokenising included.
"""

import itertools
import multiprocessing
import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import numpy as np

from bench.load import SEED
from bench.pipeline import bare, fixed
from stream_app.inference.batching import limits, plan
from stream_app.inference.bundle import load
from stream_app.inference.measures import Floats, Ints
from stream_app.inference.providers import ORDER, First
from stream_app.inference.runtime import Model

SIZES = (1, 8, 32, 128, 256)
PROCESSES = (1, 2, 4)
LATEST = 1800.0
"""Seconds until all processes are ready; TensorRT may build its engine meanwhile."""
Row = dict[str, Any]


class Contestant(NamedTuple):
    """Where a precision runs."""

    provider: First
    precision: str


class Job(NamedTuple):
    """What a process needs to know."""

    contestant: Contestant
    folder: Path
    engines: Path
    texts: list[str]
    quick: bool

    @property
    def seconds(self) -> float:
        """How long each figure is taken."""
        return 0.1 if self.quick else 3.0

    def open(self) -> Model:
        """The model where it should run; raises RuntimeError if the session did not get it."""
        first = self.contestant.provider
        model = Model(load(self.folder), first=first, engines=self.engines)
        if model.provider != ORDER[first]:
            raise RuntimeError(f"the session got {model.provider}, not {ORDER[first]}")
        return model


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
    for size in SIZES[:2] if job.quick else SIZES:
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


def figures(job: Job) -> Row:
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
