"""The pipeline beside the bare model: same texts, same machine, one run.

Bare: tokenising, sorting, inference in two threads on one shared session, nothing else. Pipeline:
a worker on Apache Kafka, first with analyse alone, then with all four agents. The broker shares
the cores, so the ratio is given by throughput and by CPU time. Absolutes drift with the host;
ratios of one run hold.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.batching import plan
from models.runtime import Model
from stream_app import topics
from stream_app.app import create_app
from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery.message import Record
from stream_app.demo import corpus
from stream_app.pipeline import build, open_model
from stream_app.sending import send_all
from stream_app.settings import PREFIX, Settings, load

CHUNK = 256
LIMIT = 300
"""Seconds that a run may take."""
TICKS = os.sysconf("SC_CLK_TCK")


def make_texts(count: int, seed: int = 3) -> list[str]:
    """Distinct texts: a demo review and the beginning of another."""
    draw = random.Random(seed)
    known = [review.text for review in corpus.load().reviews]
    return [f"{draw.choice(known)} {draw.choice(known)[:40]} {n}" for n in range(count)]


def bare(model: Model, texts: Sequence[str]) -> dict[str, float]:
    """The best that the model can do here: reviews/s, CPU ms a review, ms of a sub-batch."""
    spent: list[float] = []

    def work(begin: int) -> None:
        encodings = model.encode(texts[begin : begin + CHUNK])
        for rows in plan([len(e) for e in encodings]):
            start = time.perf_counter()
            model.infer([encodings[row] for row in rows])
            spent.append(time.perf_counter() - start)

    cpu, start = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(model.threads) as pool:
        list(pool.map(work, range(0, len(texts), CHUNK)))
    wall = time.perf_counter() - start
    return {
        "reviews_per_second": len(texts) / wall,
        "cpu_ms": (time.process_time() - cpu) / len(texts) * 1000,
        "batch_ms": statistics.mean(spent) * 1000,
    }


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def records(texts: Sequence[str], start: int = 0) -> list[Record]:
    """Reviews of 500 users about the demo's items."""
    ids = [item.item_id for item in corpus.load().items]
    now = time.time()
    made = []
    for n, text in enumerate(texts, start):
        value = {"review_id": f"r{n}", "user_id": f"u{n % 500}", "item_id": ids[n % len(ids)],
                 "text": text, "time": now}  # fmt: skip
        made.append(Record("reviews", f"r{n}".encode(), json.dumps(value).encode()))
    return made


def catalogue() -> list[Record]:
    """The demo's items."""
    return [
        Record("items", item.item_id.encode(), msgspec.json.encode(item))
        for item in corpus.load().items
    ]


class Run:
    """One worker process on topics of its own."""

    def __init__(self, broker: str, name: str, alone: bool, folder: str) -> None:
        self.settings = load(environ={}, broker=broker, app=name, prefix=f"{name}.",
                             data_dir=f"{folder}/{name}", session_timeout=6.0)  # fmt: skip
        self._alone = alone
        self._log = Path(folder) / f"{name}.log"

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the worker."""
        environment = dict(os.environ)
        for key, value in msgspec.structs.asdict(self.settings).items():
            environment[PREFIX + key.upper()] = str(value)
        command = [sys.executable, "-m", "stream_app.cli", "worker"]
        if self._alone:
            command = [sys.executable, "-m", "bench.pipeline", "--agent"]
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self._log.open("ab"),
        )  # fmt: skip

    async def stamps(
        self, topic: str, count: int, pid: int, seconds: float = 300
    ) -> dict[str, Any]:
        """Timestamps by review id of the first `count` messages; CPU and memory on the way."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.broker)
        await consumer.start()
        found: dict[str, float] = {}
        samples: list[tuple[int, float, float]] = []
        try:
            parts = [TopicPartition(f"{self.settings.prefix}{topic}", p) for p in range(4)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            end = time.monotonic() + LIMIT
            while len(found) < count:
                if time.monotonic() > end:
                    raise SystemExit(f"{topic}: {len(found)} of {count}; see {self._log}")
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    for message in messages:
                        found.setdefault(json.loads(message.value)["id"], message.timestamp / 1000)
                samples.append((len(found), cpu_seconds(pid), resident_mb(pid)))
        finally:
            await consumer.stop()
        return {"stamps": found, "samples": samples}


async def throughput(run: Run, texts: Sequence[str], items: bool) -> dict[str, Any]:
    """Everything is there before the worker starts; the first tenth is warm-up."""
    await topics.create(run.settings)
    if items:
        await send_all(run.settings, catalogue(), lambda n: None)
    await send_all(run.settings, records(texts), lambda n: None)
    worker = run.start()
    try:
        read = await run.stamps("analyses", len(texts), worker.pid)
    finally:
        worker.terminate()
        worker.wait(30)
    times = sorted(read["stamps"].values())
    skip = len(times) // 10
    samples = [s for s in read["samples"] if s[0] >= skip]
    first, last = samples[0], samples[-1]
    quarter = next(s[2] for s in samples if s[0] >= len(texts) / 4)
    return {
        "reviews_per_second": (len(times) - skip) / (times[-1] - times[skip]),
        "cpu_ms": (last[1] - first[1]) / max(last[0] - first[0], 1) * 1000,
        "memory_mb": [round(quarter, 1), round(last[2], 1)],
    }


async def latency(run: Run, texts: Sequence[str], rate: float) -> dict[str, dict[str, float]]:
    """Milliseconds from produced to analysis and to the recommendation that has applied it, at a
    steady rate."""
    await topics.create(run.settings)
    await send_all(run.settings, catalogue(), lambda n: None)
    worker = run.start()
    producer = AIOKafkaProducer(bootstrap_servers=run.settings.broker, acks="all")
    await producer.start()
    sent: dict[str, float] = {}
    futures: dict[str, Any] = {}
    try:
        warm, load_ = records(texts[:50], 10**6), records(texts[50:])
        await send_all(run.settings, warm, lambda n: None)
        await run.stamps("analyses", 50, worker.pid)
        reader = asyncio.create_task(run.stamps("analyses", len(texts), worker.pid))
        begin = time.monotonic()
        for number, record in enumerate(load_):
            await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
            sent[f"r{number}"] = time.time()
            futures[f"r{number}"] = await producer.send(
                f"{run.settings.prefix}reviews", record.value, key=record.key
            )
        stamps = (await reader)["stamps"]
        places = {name: await future for name, future in futures.items()}
        ranked = await _recommended(run, places)
    finally:
        await producer.stop()
        worker.terminate()
        worker.wait(30)
    return {
        "analysis": _quantiles([(stamps[name] - at) * 1000 for name, at in sent.items()]),
        "recommendation": _quantiles([(ranked[name] - at) * 1000 for name, at in sent.items()]),
    }


async def _recommended(run: Run, places: dict[str, Any]) -> dict[str, float]:
    """When each review's user first got recommendations that had applied it."""
    waiting = dict(places)
    found: dict[str, float] = {}
    consumer = AIOKafkaConsumer(
        f"{run.settings.prefix}recommendations",
        bootstrap_servers=run.settings.broker,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(120):
            async for message in consumer:
                applied = json.loads(message.value)["applied"]
                user = message.key.decode()
                for name, place in list(waiting.items()):
                    same = user == f"u{int(name[1:]) % 500}"
                    if same and applied.get(f"reviews/{place.partition}", -1) >= place.offset:
                        found[name] = message.timestamp / 1000
                        del waiting[name]
                if not waiting:
                    return found
    finally:
        await consumer.stop()
    return found


def _quantiles(waits: list[float]) -> dict[str, float]:
    waits = sorted(waits)
    return {"p50_ms": waits[len(waits) // 2], "p99_ms": waits[int(len(waits) * 0.99)]}


def agent() -> None:
    """A worker with analyse alone."""
    import faust

    from stream_app.agents import Worker, analyse
    from stream_app.delivery.outbox import Outbox

    settings: Settings = load()
    worker = Worker(create_app(settings), settings, build(settings), Outbox(settings))
    analyse.add(worker)
    faust.Worker(worker.app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()


def memory_alone(out: Path, count: int) -> None:
    """Memory of one worker with all agents over many reviews."""
    with KafkaCluster() as broker, tempfile.TemporaryDirectory() as folder:
        run = Run(broker.bootstrap, "long", False, folder)
        memory = asyncio.run(throughput(run, make_texts(count, seed=4), items=True))["memory_mb"]
    report = {
        "command": "python -m bench.pipeline --memory",
        "date": date.today().isoformat(),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count()},
        "reviews": count,
        "mb_after_a_quarter_and_at_the_end": memory,
    }
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


def main() -> None:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--memory", action="store_true", help="only the long run")
    parser.add_argument("--agent", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("bench/results/pipeline.json"))
    options = parser.parse_args()
    if options.agent:
        sys.argv = sys.argv[:1]
        return agent()
    rounds, count, long = (1, 2000, 3000) if options.quick else (3, 4000, 20_000)
    texts = make_texts(count)
    if options.memory:
        return memory_alone(options.out.with_name("memory.json"), long)
    model = open_model(load(environ={}))
    lengths = [len(e) for e in model.encode(texts)]
    results: dict[str, list[dict[str, Any]]] = {"bare": [], "analyse": [], "all": []}
    with KafkaCluster() as broker, tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            results["bare"].append(bare(model, texts))
            for name, alone in (("analyse", True), ("all", False)):
                run = Run(broker.bootstrap, f"{name}{number}", alone, folder)
                results[name].append(asyncio.run(throughput(run, texts, items=not alone)))
        median = {
            name: {
                key: statistics.median(r[key] for r in runs)
                for key in ("reviews_per_second", "cpu_ms")
            }
            for name, runs in results.items()
        }
        half = median["all"]["reviews_per_second"] / 2
        run = Run(broker.bootstrap, "long", False, folder)
        memory = asyncio.run(throughput(run, make_texts(long, seed=4), items=True))["memory_mb"]
        run = Run(broker.bootstrap, "latency", False, folder)
        waits = asyncio.run(latency(run, texts[: 50 + int(half * 20)], half))
    batch = statistics.median(r["batch_ms"] for r in results["bare"])
    top = median["bare"]
    report = {
        "command": "python -m bench.pipeline" + (" --quick" if options.quick else ""),
        "date": date.today().isoformat(),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count()},
        "bundle": model.version,
        "texts": {"count": count, "mean_tokens": statistics.mean(lengths), "seed": 3},
        "rounds": results,
        "median": median,
        "ratio": {
            name: {
                "throughput": median[name]["reviews_per_second"] / top["reviews_per_second"],
                "cpu": top["cpu_ms"] / median[name]["cpu_ms"],
                "plumbing_us": (median[name]["cpu_ms"] - top["cpu_ms"]) * 1000,
            }
            for name in ("analyse", "all")
        },
        "memory": {"reviews": long, "mb_after_a_quarter_and_at_the_end": memory},
        "latency": {
            "rate": half,
            "batch_ms": batch,
            **{
                to: w | {k.replace("_ms", "_batches"): v / batch for k, v in w.items()}
                for to, w in waits.items()
            },
        },
    }  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({k: report[k] for k in ("median", "ratio", "memory", "latency")}, indent=1))


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((x.split(": ")[1] for x in lines if x.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
