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
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.load import Load, draw
from bench.pipeline import rounded, throughput
from bench.placed import Contestant, Job, Row, figures
from bench.run import children
from stream_app import settings as settings_module
from stream_app.broker import BrokerError
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.inference.bundle import Bundle, default_bundle, load
from stream_app.inference.providers import ORDER, First, why_incompatible, why_unavailable
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "gpu.json"

CONTESTANTS = (
    Contestant("cpu", "int8"),
    Contestant("cuda", "float32"),
    Contestant("cuda", "float16"),
    Contestant("tensorrt", "float16"),
)


def choose(contestant: Contestant, bundles: Sequence[Bundle]) -> Bundle | str:
    """The bundle that runs there, or why none does."""
    provider = ORDER[contestant.provider]
    if (reason := why_unavailable(provider)) is not None:
        return reason
    reason = f"no {contestant.precision} bundle is given"
    for bundle in bundles:
        if bundle.config.precision == contestant.precision:
            reason = why_incompatible(provider, bundle)
            if reason is None:
                return bundle
    return reason


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
    if "skipped" in row:
        return
    pairs = [*zip(row["batches"], cpu["batches"], strict=True)]
    pairs += [(own, cpu["processes"][0]) for own in row["processes"]]
    pairs += [(row["pipeline"], cpu["pipeline"])] if "pipeline" in row else []
    for own, other in pairs:
        if "skipped" not in own and "skipped" not in other:
            own["of_cpu"] = own["reviews_per_s"] / other["reviews_per_s"]


def one(bundle: Bundle, at: Contestant, reviews: Load, given: argparse.Namespace) -> Row:
    """All figures of a contestant, or why they could not be taken."""
    with tempfile.TemporaryDirectory(prefix="stream-app-engines-") as engines:
        job = Job(at, bundle.path, Path(engines), reviews.prepared, given.quick)
        try:
            row: Row = {"bundle": bundle.version} | figures(job)
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
        chosen = choose(contestant, bundles)
        if isinstance(chosen, str):
            found: Row = {"skipped": chosen}
        else:
            found = one(chosen, contestant, reviews, given)
        rows.append(contestant._asdict() | found)
        compare(rows[-1], rows[0])
        show(rows[-1])
    return rows


def show(row: Row) -> None:
    """Print a row, a line for each figure; not among the JSON."""
    name = f"{row['provider']:<9}{row['precision']:<8}"
    taken = [*row.get("batches", ()), *row.get("processes", ())]
    if "pipeline" in row:
        taken.append({"pipeline": "1 worker"} | row["pipeline"])
    said = [f"skipped: {row['skipped']}"] if "skipped" in row else [row["bundle"]]
    said += [", ".join(f"{k} {v}" for k, v in rounded(figure).items()) for figure in taken]
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
