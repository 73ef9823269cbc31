"""Scale: plumbing from 1 to 8 workers, recovery against state, memory, sizes of topics.

    python -m bench.scale [PART ...] [--quick] [--out FILE]

In the plumbing parts inference is replaced by a fixed wait a text (`bench.waiting`), long enough
that one worker is bound by waiting and not by its core: what is asked is whether the rest of the
way lets workers add up. Broker and workers share this machine's cores; `cpu_of_machine` says how
much of them a run took. Parts that are run again replace theirs in the file.
"""

import argparse
import asyncio
import datetime
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import state
from bench.fleet import Fleet, fleet
from bench.load import draw, items
from bench.pipeline import rounded
from bench.run import children, cpu, rss, send_steadily
from bench.sizes import sizes
from stream_app import settings as settings_module
from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery.sending import send_all
from stream_app.inference.runtime import usable_cores
from stream_app.messages.message import Record
from stream_app.settings import Settings
from stream_app.training.model.evaluation import machine

RESULTS = Path(__file__).parent / "results" / "scale.json"
WAIT_MS = 20.0
"""A text: one thread then reads 50 a second and sleeps for nearly all of the time."""
PUSH = 1.05
"""Reviews sent to each that one can read."""
ROWS = 16
"""Of a batch: small, so that a window holds many."""
WORKERS, PARTITIONS = (1, 2, 4, 8), (4, 16, 64)
USERS = (1_000, 10_000, 100_000, 1_000_000)
ITEMS = (1_000, 10_000, 100_000)
WINDOW = 20.0
"""Seconds that count, of a group at rest."""
PLUMBING = "plumbing-"
PARTS = (*(f"{PLUMBING}{count}" for count in PARTITIONS), "recovery", "items", "sizes")
Row = dict[str, Any]


class Scale:
    """Runs of their own topics and group on one broker."""

    def __init__(self, broker: str, brokers: list[int]) -> None:
        self._broker, self._brokers = broker, brokers
        self._runs = itertools.count()

    def settings(self, **chosen: Any) -> Settings:
        """Settings of a fresh app."""
        name = f"scale-{next(self._runs)}"
        return settings_module.load(broker=self._broker, app=name, prefix=f"{name}-", **chosen)

    async def plumbing(self, workers: int, partitions: int, reviews: Sequence[Record]) -> Row:
        """Reviews a second of a group at rest that gets a little more than it can read, and what
        it took."""
        settings = self.settings(partitions=partitions, batch_rows=ROWS, threads=1)
        async with fleet(settings, "bench.waiting", str(WAIT_MS)) as group:
            await send_all(settings, items(), lambda _: None)
            group.start(workers)
            await group.until(group.joined, "all workers in the group")
            rate = PUSH * 1e3 / WAIT_MS * min(workers, partitions)
            feed = asyncio.create_task(send_steadily(group.settings, reviews, rate))
            await group.until(lambda: _moves(group), "work on every partition")
            before, clock = await self._look(group), time.perf_counter()
            await asyncio.sleep(WINDOW)
            after, seconds = await self._look(group), time.perf_counter() - clock
            if feed.done():
                raise RuntimeError("the reviews were too few for the window")
            feed.cancel()
            await asyncio.wait([feed])
            memory = sum(map(rss, group.pids)) / workers / state.MIB
            analysed, folded, spent, broker = (a - b for a, b in zip(after, before, strict=True))
            await group.stop()
        return {
            "workers": workers,
            "partitions": partitions,
            "reviews_per_s": analysed / seconds,
            "folded_per_s": folded / seconds,
            "cpu_of_a_worker": spent / seconds / workers,
            "cpu_of_machine": (spent + broker) / seconds / usable_cores(),
            "rss_mib_of_a_worker": memory,
        }

    async def _look(self, group: Fleet) -> tuple[float, float, float, float]:
        """Analyses stored, analyses folded into users' records, CPU seconds of workers, broker."""
        return (
            await group.stored("analyses"),
            sum(await group.committed("analyses")),
            sum(map(cpu, group.pids)),
            sum(map(cpu, self._brokers)),
        )


async def _moves(group: Fleet) -> bool:
    done = [await group.committed(topic) for topic in ("reviews", "analyses")]
    return min(map(min, done)) > 0


async def measure(parts: Sequence[str], quick: bool, scale: Scale) -> dict[str, list[Row]]:
    """Rows by part."""
    found: dict[str, list[Row]] = {}
    counts = WORKERS[:2] if quick else WORKERS
    texts = int(counts[-1] * 2.2 * WINDOW * 1e3 / WAIT_MS)
    for part in parts:
        rows = found[part] = []
        if part.startswith(PLUMBING):
            partitions = int(part.removeprefix(PLUMBING))
            reviews = draw(texts, scale.settings()).records()
            for workers in counts:
                row = await scale.plumbing(workers, partitions, reviews)
                row["of_one"] = row["reviews_per_s"] / (rows or [row])[0]["reviews_per_s"]
                rows.append(row)
                print(part, rounded(row), flush=True)
        elif part == "sizes":
            rows.extend(sizes(scale.settings()))
            print(part, rounded(rows), flush=True)
        else:
            run = state.recovery if part == "recovery" else state.catalogue
            steps = USERS if part == "recovery" else ITEMS
            for size in steps[: 2 if quick else None]:
                rows.append(await run(scale.settings(), size))
                print(part, rounded(rows[-1]), flush=True)
    return found


def draw_picture(parts: dict[str, list[Row]], path: Path) -> None:
    """Workers, recovery and memory, side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for part, rows in parts.items():
        if part.startswith(PLUMBING):
            label = f"{part.removeprefix(PLUMBING)} partitions"
            left.plot([r["workers"] for r in rows], [r["of_one"] for r in rows], "o-", label=label)
    left.plot(WORKERS, WORKERS, ":", color="grey", label="as many times")
    left.set(xlabel="workers", ylabel="throughput, one worker = 1", xticks=WORKERS)
    left.legend()
    rows = parts.get("recovery", [])
    users = [r["users"] for r in rows]
    for name in ("changelog", "disk"):
        middle.loglog(users, [r[f"seconds_from_{name}"] for r in rows], "o-", label=f"from {name}")
    middle.set(xlabel="users in one worker", ylabel="seconds until restored")
    middle.legend()
    right.semilogx(users, [r["rss_mib_after_work"] for r in rows], "o-", label="users")
    rows = parts.get("items", [])
    right.semilogx(
        [r["items"] for r in rows], [r["rss_mib_after_work"] for r in rows], "s-", label="items"
    )
    right.set(xlabel="users or items", ylabel="memory of the worker, MiB", ylim=(0, None))
    right.legend()
    figure.savefig(path, dpi=110)


def slope(rows: list[Row], size: str, memory: str) -> float:
    """Bytes that one user or item more takes, from the smallest row to the largest."""
    first, last = rows[0], rows[-1]
    return float((last[memory] - first[memory]) * state.MIB / (last[size] - first[size]))


def main() -> None:
    """Measure, print, write, draw."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS.name}; with --quick none")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    before = set(children())
    with KafkaCluster() as broker:
        scale = Scale(broker.bootstrap, [pid for pid in children() if pid not in before])
        parts = asyncio.run(measure(given.parts or PARTS, given.quick, scale))
    out = given.out or (None if given.quick else RESULTS)
    if out is None:
        return
    parts = (json.loads(out.read_text())["parts"] if out.exists() else {}) | parts
    parts = {part: parts[part] for part in PARTS if part in parts}
    result: dict[str, Any] = {
        "command": "python -m bench.scale",
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "broker": "Apache Kafka, one node, on the same cores",
        "note": "broker, load and workers share the cores: magnitudes, not limits",
        "method": {
            "plumbing": f"inference replaced by a wait of {WAIT_MS:g} ms a text in one thread, "
            f"batches of {ROWS}; all four agents; analyses stored in {WINDOW:g} s of a group at "
            f"rest that is sent {PUSH:g} of what it can read",
            "recovery": "from the start of the process, imports and model included, to the first "
            "recommendation of a restored user in every partition; one worker, 4 partitions; "
            f"memory then, and after {state.TOUCHED} users more have been read and written",
            "items": "vectors written by hand; the graph of usearch from 20,001 items on",
            "sizes": "the demo's week replayed event by event: key, value and headers as they are, "
            "uncompressed",
        },
        "parts": parts,
    }
    if "recovery" in parts:
        result["bytes_of_memory_per_user"] = slope(parts["recovery"], "users", "rss_mib_after_work")
    if "items" in parts:
        result["bytes_of_memory_per_item"] = slope(parts["items"], "items", "rss_mib_after_work")
    out.write_text(json.dumps(rounded(result), indent=1) + "\n")
    draw_picture(parts, out.with_suffix(".png"))


if __name__ == "__main__":
    main()
