"""The whole pipeline beside its model alone: throughput, CPU a review, memory, latency.

    python -m bench.pipeline [--quick] [--out FILE] [--no-kafka]

Contestants take turns on the same texts in one run; figures are medians of the rounds. Machines
drift, so each is compared with the bare loop run right before and after it, and absolute figures
hold only within one run. Broker, load and worker share the cores: the ratio of throughputs charges
the broker to the pipeline, the ratio of CPU does not.
"""

import argparse
import asyncio
import datetime
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.load import Load, draw, items
from bench.run import Run, children, data_dir, running, send_steadily
from stream_app import profiles
from stream_app import settings as settings_module
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.broker.kafka import KafkaCluster
from stream_app.inference.batching import Inference, plan
from stream_app.inference.runtime import Model
from stream_app.messages.message import Message, Record
from stream_app.pipeline import Pipeline, assemble, open_model
from stream_app.schemas import Analysis, Recommendations, decode
from stream_app.settings import Settings
from stream_app.training.model.evaluation import machine

RESULTS = Path(__file__).parent / "results" / "pipeline.json"
WARM = 512
"""Reviews that a worker finishes before those that count. The window goes from idle to idle: one
that opens in mid-stream leaves out the CPU of batches already under way."""
CONTESTANTS = ("processor", "analyse", "all")
Plan = Callable[[Sequence[int]], list[list[int]]]
Figures = dict[str, float]


def beside(name: str) -> str:
    """The bare loop's figures right before and after a contestant's."""
    return f"bare beside {name}"


def fixed(rows: int) -> Plan:
    """Sorted by length and cut every `rows`."""

    def cut(lengths: Sequence[int]) -> list[list[int]]:
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        return [order[at : at + rows] for at in range(0, len(order), rows)]

    return cut


PLANS: dict[str, Plan] = {"plan()": plan} | {f"{rows} rows": fixed(rows) for rows in (8, 16, 32)}


def bare(model: Model, texts: list[str], cut: Plan) -> Figures:
    """The model alone: tokenise, sort, infer with as many threads as it has cores."""
    clock, spent = time.perf_counter(), time.process_time()
    encodings = model.encode(texts)
    batches = cut([len(encoding) for encoding in encodings])
    with ThreadPoolExecutor(model.threads) as pool:
        runs = [pool.submit(model.infer, [encodings[i] for i in b]) for b in reversed(batches)]
        for run in runs:
            run.result()
    clock, spent = time.perf_counter() - clock, time.process_time() - spent
    return {"reviews_per_s": len(texts) / clock, "cpu_us": 1e6 * spent / len(texts)}


def batch_ms(model: Model, texts: list[str]) -> float:
    """Mean time of one sub-batch of 32 of similar length, one at a time on an idle machine."""
    encodings = model.encode(texts)
    batches = fixed(32)([len(encoding) for encoding in encodings])
    clock = time.perf_counter()
    for batch in batches:
        model.infer([encodings[i] for i in batch])
    return 1e3 * (time.perf_counter() - clock) / len(batches)


def processor(pipeline: Pipeline, load: Load, rows: int) -> Figures:
    """The analyse processor without Kafka, one batch at a time."""
    messages = [
        Message(r.topic, n % 4, n // 4, r.key, r.value, (), 0.0)
        for n, r in enumerate(load.records())
    ]
    clock, spent = time.perf_counter(), time.process_time()
    for at in range(0, len(messages), rows):
        pipeline.analyse(messages[at : at + rows], lambda partition, key: None)
    clock, spent = time.perf_counter() - clock, time.process_time() - spent
    return {"reviews_per_s": len(messages) / clock, "cpu_us": 1e6 * spent / len(messages)}


async def throughput(
    agents: str, load: Load, settings: Settings, brokers: list[int]
) -> tuple[Figures, list[float]]:
    """A worker on reviews that are all there when it starts; its memory by quarters."""
    count = len(load.reviews)
    async with running(Run(agents, settings, brokers)) as run:
        with data_dir() as folder:
            await run.send([*items(), *load.records()[:WARM]])
            run.start(folder)
            await run.finish(WARM)
            return await burst(run, load.records()[WARM:]), run.memory(count)


async def burst(run: Run, records: list[Record]) -> Figures:
    """Reviews that are all there when an idle worker goes on, until it is idle again."""
    before = await run.stored("analyses")
    await run.lay_up(records)
    idle = time.time()
    await run.finish(before + len(records))
    analysed = max(stored.time for stored in await run.read("analyses"))
    ends = [analysed]
    if run.agents == "all":
        ends += [stored.time for stored in await run.read("recommendations")]
    worker, broker = run.spent(idle, run.samples[-1].time)
    return {
        "reviews_per_s": len(records) / (max(ends) - idle),
        "cpu_us": 1e6 * worker / len(records),
        "broker_cpu_us": 1e6 * broker / len(records),
        "to_analysis_per_s": len(records) / (analysed - idle),
    }


async def latency(
    load: Load, rate: float, settings: Settings, brokers: list[int]
) -> dict[str, Figures]:
    """From produce to the stored analysis, and to the user's recommendation that counts it."""
    async with running(Run("all", settings, brokers)) as run:
        with data_dir() as folder:
            await run.send(items())
            run.start(folder)
            sent = await send_steadily(settings, load.records()[:WARMING], rate)
            await run.finish(len(sent))
            finishing = asyncio.create_task(run.finish(len(load.reviews)))
            sent = await send_steadily(settings, load.records()[WARMING:], rate)
            await finishing
            counted = min(sent.values()) + SETTLING
            return await _latencies(run, {key: at for key, at in sent.items() if at >= counted})


WARMING = 300
"""Reviews before the steady ones, while the worker starts."""
SETTLING = 3.0
"""Seconds of the steady load that do not count. A new partition's index files are first touched
with its second batch, and each costs the broker a page fault that takes milliseconds where the
disk reads far ahead: with all topics of a run that is a third of a second, once."""


async def _latencies(run: Run, sent: dict[bytes, float]) -> dict[str, Figures]:
    refreshed: dict[str, list[tuple[float, dict[str, int]]]] = defaultdict(list)
    for stored in await run.read("recommendations"):
        applied = decode(stored.value, Recommendations).applied
        refreshed[stored.key.decode()].append((stored.time, applied))
    waits: dict[str, list[float]] = {"analysis": [], "recommendation": []}
    for stored in await run.read("analyses"):
        analysis = decode(stored.value, Analysis)
        begun = sent.get(analysis.id.encode())
        if begun is None:
            continue
        waits["analysis"].append(stored.time - begun)
        source = f"{analysis.source.topic}/{analysis.source.partition}"
        waits["recommendation"].append(
            min(
                when
                for when, applied in refreshed[analysis.user_id]
                if applied.get(source, -1) >= analysis.source.offset
            )
            - begun
        )
    return {name: quantiles(values) for name, values in waits.items()}


def quantiles(seconds: list[float]) -> Figures:
    """Median and 99th percentile in milliseconds."""
    p50, p99 = np.percentile(seconds, (50, 99))
    return {"reviews": len(seconds), "p50_ms": 1e3 * float(p50), "p99_ms": 1e3 * float(p99)}


class Rounds:
    """Figures of all rounds by contestant."""

    def __init__(self) -> None:
        self._all: dict[str, list[Figures]] = defaultdict(list)

    def add(self, name: str, figures: Figures) -> None:
        self._all[name].append(figures)
        print(f"  {name:<18}", *(f"{k} {v:.0f}" for k, v in figures.items()), flush=True)

    def medians(self) -> dict[str, Figures]:
        """The median of every figure by contestant."""
        return {
            name: {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
            for name, rounds in self._all.items()
        }

    def each(self, name: str, key: str) -> list[float]:
        """One figure of a contestant in every round."""
        return [own[key] for own in self._all[name]]

    def ratios(self, name: str, key: str, base: str) -> float:
        """Median over the rounds of one contestant's figure to another's in the same round."""
        pairs = zip(self.each(name, key), self.each(base, key), strict=True)
        return statistics.median(own / other for own, other in pairs)


async def measure(quick: bool, settings: Settings, brokers: list[int]) -> dict[str, Any]:
    """All rounds, then the latency."""
    rounds, count, many, seconds = (1, 2048, 600, 20) if quick else (3, 5000, 20_000, 25)
    model = open_model(settings)
    profile = profiles.load(settings.profile)
    pipeline = assemble(settings, profile, Inference(model, cache_size=0))
    load = draw(count, settings)
    few = Load(load.reviews[:2000], load.prepared[:2000])
    figures, batch = Rounds(), []
    runs = iter(range(1000))

    def fresh() -> Settings:
        name = f"bench-{next(runs)}"
        return msgspec.structs.replace(settings, app=name, prefix=f"{name}-")

    bare(model, few.prepared[:500], plan)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        batch.append(batch_ms(model, few.prepared[:960]))
        for name, cut in PLANS.items():
            figures.add(f"bare, {name}", bare(model, few.prepared, cut))
        before = bare(model, few.prepared, plan)
        for name in CONTESTANTS:
            if name == "processor":
                found = processor(pipeline, few, settings.batch_rows)
            else:
                found = (await throughput(name, load, fresh(), brokers))[0]
            figures.add(name, found)
            after = bare(model, few.prepared, plan)
            figures.add(beside(name), {key: (before[key] + after[key]) / 2 for key in after})
            before = after
    medians = figures.medians()
    best = max((f"bare, {name}" for name in PLANS), key=lambda n: medians[n]["reviews_per_s"])

    def to_best(name: str, key: str) -> float:
        """Of the bare loop right before and after, times what the best cut is of its `plan()`."""
        return figures.ratios(name, key, beside(name)) / figures.ratios(best, key, "bare, plan()")

    rate = medians["all"]["reviews_per_s"] / 2
    steady = draw(WARMING + int((SETTLING + seconds) * rate), settings)
    latencies, one = Rounds(), statistics.median(batch)
    for _ in range(rounds):
        for name, wait in (await latency(steady, rate, fresh(), brokers)).items():
            latencies.add(name, wait)
    waits = {
        name: wait
        | {f"{q}_batches": wait[f"{q}_ms"] / one for q in ("p50", "p99")}
        # Of every round: one hiccup of the host makes a round's.
        | {"p99s_ms": latencies.each(name, "p99_ms")}
        for name, wait in latencies.medians().items()
    }
    _, quarters = await throughput("all", draw(many, settings), fresh(), brokers)
    return {
        "bundle": model.version,
        "texts": load.describe(model),
        "rounds": rounds,
        "threads": model.threads,
        "bare_loop": best,
        "medians": medians,
        "ratios": {
            name: {
                "throughput_ratio": to_best(name, "reviews_per_s"),
                "throughput_ratio_cpu": 1 / to_best(name, "cpu_us"),
                "plumbing_us": (1 - 1 / to_best(name, "cpu_us")) * medians[name]["cpu_us"],
            }
            for name in CONTESTANTS
        },
        "batch_of_32_ms": one,
        "latency": {"reviews_per_s": rate, "seconds": seconds, "not_counted_s": SETTLING} | waits,
        "memory": {
            "reviews": many,
            "rss_mib_at_quarters": quarters,
            "growth_after_first_quarter_mib": quarters[-1] - quarters[0],
        },
    }


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    print(f"\n{'':<21}reviews/s  CPU us  broker us  to bare  to bare by CPU  plumbing us")
    for name, row in result["medians"].items():
        ratios = result["ratios"].get(name, {})
        cells = [f"{row['reviews_per_s']:9.0f} {row['cpu_us']:7.0f}"]
        cells.append(f"{row.get('broker_cpu_us', 0):10.0f}")
        if ratios:
            cells.append(
                f"{ratios['throughput_ratio']:8.2f} {ratios['throughput_ratio_cpu']:15.2f}"
            )
            cells.append(f"{ratios['plumbing_us']:12.0f}")
        print(f"{name:<21}", *cells, "  <- the bare loop" if name == result["bare_loop"] else "")
    wait = result["latency"]
    print(
        f"latency at {wait['reviews_per_s']:.0f}/s",
        f"(a batch of 32: {result['batch_of_32_ms']:.1f} ms)",
    )
    for name in ("analysis", "recommendation"):
        cells = [
            f"{q} {wait[name][f'{q}_ms']:.0f} ms = {wait[name][f'{q}_batches']:.1f} batches"
            for q in ("p50", "p99")
        ]
        print(f"  {name:<16}", *cells)
    memory = result["memory"]
    print(
        f"memory at quarters of {memory['reviews']} reviews, MiB: {memory['rss_mib_at_quarters']}"
    )
    print("absolute figures drift with the machine; compare ratios")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS.name}; with --quick none")
    parser.add_argument(
        "--kafka",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Apache Kafka, or the embedded broker",
    )
    given = parser.parse_args()
    start = time.perf_counter()
    broker = KafkaCluster() if given.kafka else EmbeddedBroker()
    before = set(children())
    with broker:
        settings = settings_module.load(broker=broker.bootstrap, idempotent=given.kafka)
        brokers = [pid for pid in children() if pid not in before]
        result = asyncio.run(measure(given.quick, settings, brokers))
    head = {
        "command": "python -m bench.pipeline" + (" --quick" if given.quick else ""),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "broker": "Apache Kafka, one node" if given.kafka else "embedded",
        "note": "broker, load and worker share the cores; absolute figures drift, ratios hold",
        "method": {
            "bare": "texts as the model sees them; tokenised, sorted, a session of one ORT thread "
            "shared by all threads; no cache",
            "processor": "the analyse processor in this process, without Kafka",
            "analyse, all": f"{WARM} reviews to idle; the rest are all in the topic when the clock "
            "starts, as the bare loop's texts are in memory; to idle; reviews/s until the last "
            "analysis or recommendation is stored, by the broker's timestamps",
            "ratios": "to the mean of the bare loop with plan() right before and right after, "
            "that times what the best bare loop is of plan(); medians",
            "plumbing_us": "what the ratio by CPU leaves of the worker's CPU a review, cleaning "
            "and masking included",
            "latency": f"steady load; its first {SETTLING:g} s, in which new topics cost the "
            "broker page faults, do not count",
            "batch_of_32_ms": "mean time of a sub-batch of 32 in one thread, idle machine",
        },
    }
    show(result)
    print(f"{time.perf_counter() - start:.0f} s")
    out = given.out or (None if given.quick else RESULTS)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(head | rounded(result), indent=1, ensure_ascii=False) + "\n")


def rounded(value: Any) -> Any:
    """The same with four significant digits."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
