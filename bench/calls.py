"""What a call of the model costs besides its tokens, and what that makes of cutting sub-batches.

    python -m bench.calls [--bundle BUNDLE] [--rounds N] [--json] [--out FILE]

`fit`: sub-batches of many shapes, without padding, one thread; the least CPU of all rounds fitted
by a + b * tokens (least squares of the relative error). a / b is what `models.batching.CALL` stands
for. `windows`: so many reviews at once, cut by `plan()`, by `plan()` with other budgets, and every
8 rows; CPU a review, the least of all rounds for each sub-batch, beside that of `plan()`.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.load import draw
from bench.pipeline import Plan, fixed, rounded
from stream_app import settings as settings_module
from stream_app.inference.batching import plan
from stream_app.inference.bundle import default_bundle, load
from stream_app.inference.runtime import Model
from stream_app.inference.tokens import Encoding
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "calls.json"
ROWS, WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32), (12, 16, 24, 32, 48, 64)
MOST = 384
"""Tokens of a shape."""
REVIEWS = 512
WINDOWS = (16, 64, 512)
CUTS: dict[str, Plan] = {
    "plan()": plan,
    "budget 128": partial(plan, token_budget=128),
    "budget 384": partial(plan, token_budget=384),
    "8 rows": fixed(8),
}


def seconds(model: Model, batch: Sequence[Encoding]) -> float:
    """CPU that one call takes."""
    start = time.process_time()
    model.infer(batch)
    return time.process_time() - start


def fit(model: Model, rounds: int) -> dict[str, Any]:
    """What a call and a token cost."""
    token = model.encode(["a"])[0][1]
    shapes = [(rows, width) for rows in ROWS for width in WIDTHS if rows * width <= MOST]
    least = dict.fromkeys(shapes, float("inf"))
    for _ in range(10 * rounds):
        for rows, width in shapes:
            spent = seconds(model, [[token] * width] * rows)
            least[rows, width] = min(least[rows, width], spent)
    times = np.array([least[shape] for shape in shapes])
    sizes = np.array([[1.0, rows * width] for rows, width in shapes])
    parts = sizes / times[:, None]
    (call, token_seconds), *_ = np.linalg.lstsq(parts, np.ones(len(shapes)), rcond=None)
    return {
        "call_us": 1e6 * call,
        "token_us": 1e6 * token_seconds,
        "call_tokens": call / token_seconds,
        "worst_misfit_percent": 100 * np.max(np.abs(parts @ [call, token_seconds] - 1)),
    }


def cut_up(encodings: Sequence[Encoding], window: int, cut: Plan) -> list[list[Encoding]]:
    """The sub-batches of one window after the other."""
    batches = []
    for at in range(0, len(encodings), window):
        part = encodings[at : at + window]
        batches += [[part[row] for row in rows] for rows in cut([len(e) for e in part])]
    return batches


def windows(model: Model, rounds: int) -> list[dict[str, Any]]:
    """CPU of each way to cut, by the size of the window."""
    encodings = model.encode(draw(REVIEWS, settings_module.load()).prepared)
    read = sum(map(len, encodings))
    rows: list[dict[str, Any]] = []
    for window in WINDOWS:
        batches = {name: cut_up(encodings, window, cut) for name, cut in CUTS.items()}
        least = {name: [float("inf")] * len(found) for name, found in batches.items()}
        for _ in range(rounds):
            for name, found in batches.items():
                for place, batch in enumerate(found):
                    least[name][place] = min(least[name][place], seconds(model, batch))
        for name, found in batches.items():
            padded = sum(len(batch) * max(map(len, batch)) for batch in found)
            rows.append({
                "window": window,
                "cut": name,
                "calls": len(found) * window / REVIEWS,
                "padding_percent": 100 * (padded / read - 1),
                "cpu_us": 1e6 * sum(least[name]) / REVIEWS,
                "cpu_ratio": sum(least[name]) / sum(least["plan()"]),
            })  # fmt: skip
    return rows


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    model = Model(load(options.bundle or default_bundle()), 1, "cpu")
    body = rounded(
        {
            "command": "python -m bench.calls",
            "date": today(),
            "machine": machine(),
            "bundle": model.version,
            "rounds": options.rounds,
            "fit": fit(model, options.rounds),
            "windows": windows(model, options.rounds),
        }
    )
    options.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    if options.json:
        json.dump(body, sys.stdout, indent=1)
        return
    print(
        "a call costs {call_us:.0f} us, a token {token_us:.1f}: {call_tokens:.1f} tokens".format(
            **body["fit"]
        )
    )
    for row in body["windows"]:
        print(
            "{window:4} {cut:8} {calls:6.1f} calls {padding_percent:5.2f}% {cpu_ratio:.3f}".format(
                **row
            )
        )


if __name__ == "__main__":
    main()
