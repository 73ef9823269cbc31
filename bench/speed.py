"""Texts a second of bundles that take turns, and of ways to use the cores.

    python -m bench.speed BUNDLE [BUNDLE ...] [--texts FILE] [--rounds N]

Texts are those of the demo and the project's examples, or the lines of a file; batches are cut as
in serving. `calls` sub-batches run at once, each on `threads` threads of ONNX Runtime. The first
bundle's serving setting (as many calls as cores, one thread each) is the unit of `ratio`.
"""

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import stream_app.demo
from stream_app.inference.batching import plan
from stream_app.inference.bundle import load
from stream_app.inference.runtime import Model, usable_cores
from stream_app.training.model import evaluation
from stream_app.training.model.data import example_rows

RESULTS = Path(__file__).parent / "results" / "speed.json"
DEMO = Path(stream_app.demo.__file__).parent / "reviews.jsonl"


def demo_texts() -> list[str]:
    """The texts of the demo's reviews."""
    lines = DEMO.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


class Contestant:
    """A bundle in one setting."""

    def __init__(self, folder: Path, calls: int, threads: int, texts: list[str]) -> None:
        self.model = Model(load(folder), threads=calls, call_threads=threads)
        self.calls, self.threads = calls, threads
        encodings = self.model.encode(texts)
        self.lengths = [len(e) for e in encodings]
        self.batches = [[encodings[i] for i in batch] for batch in plan(self.lengths)]
        self.seconds: list[float] = []

    def run(self) -> None:
        """One round over all texts."""
        with ThreadPoolExecutor(self.calls) as pool:
            started = time.perf_counter()
            list(pool.map(self.model.infer, reversed(self.batches)))
            self.seconds.append(time.perf_counter() - started)


def main() -> None:
    """Measure in turns and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--texts", type=Path, help="one text a line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.texts:
        texts = options.texts.read_text(encoding="utf-8").splitlines()
    else:
        texts = [row.text for row in example_rows()] + demo_texts()
    texts = list(dict.fromkeys(texts))
    cores = usable_cores()
    settings = dict.fromkeys([(cores, 1), (1, cores), (1, 1), (cores, cores)])
    contestants = [
        Contestant(folder, calls, threads, texts)
        for folder in options.bundles
        for calls, threads in settings
    ]
    for _ in range(options.rounds):
        for contestant in contestants:
            contestant.run()
    unit = statistics.median(contestants[0].seconds)
    results: list[dict[str, Any]] = []
    for c in contestants:
        seconds = statistics.median(c.seconds)
        results.append({
            "bundle": c.model.version,
            "provider": c.model.provider,
            "calls": c.calls,
            "threads": c.threads,
            "texts_per_second": round(len(texts) / seconds, 1),
            "ratio": round(unit / seconds, 3),
        })  # fmt: skip
        print(results[-1])
    body = {
        "command": "python -m bench.speed",
        "date": evaluation.today(),
        "machine": evaluation.machine(),
        "texts": len(texts),
        "mean_tokens": round(float(np.mean(contestants[0].lengths)), 1),
        "rounds": options.rounds,
        "results": results,
    }
    options.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
