"""A rolling restart of three workers under load: how long each partition is without answers.

    python -m bench.rolling [--quick] [--json] [--out FILE]

Once with workers that leave the group when they stop, and once with names (`STREAM_APP_INSTANCE`).
An answer is an analysis, by the partition of its review, and a list of recommendations, by the
partition of its user. A partition's pause is its longest time between two answers while workers
were restarted; `before` is the same measured before. Partitions moved: how often the broker gave a
partition to another worker, over all states of the group that were seen.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.fleet import Fleet, fleet
from bench.load import draw
from bench.pipeline import rounded
from stream_app import settings as settings_module
from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery.sending import send_all
from stream_app.messages.message import Record
from stream_app.messages.topics import LARGE
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "rolling.json"
WORKERS, PARTITIONS = 3, 6
A_SECOND = 12
"""Reviews: two to each partition."""
STEADY = 10.0
"""Seconds of load at rest before, between and after restarts."""
REVIEWS = 6000
Held = dict[str, frozenset[tuple[str, int]]]
Times = dict[str, dict[int, list[float]]]
"""When answers were stored, by topic and partition."""


def moved(seen: Iterable[Held]) -> int:
    """How often a partition went to another worker. A worker that comes back is another member:
    it takes the place of the one that was there before and is no more."""
    count = 0
    holders: dict[tuple[str, int], str] = {}
    names: dict[str, str] = {}
    for held in seen:
        gone = [member for member in names if member not in held]
        for member in held.keys() - names.keys():
            names[member] = names.pop(gone.pop(0)) if gone else member
        now = {part: names[member] for member, parts in held.items() for part in parts}
        count += sum(holders.get(part, name) != name for part, name in now.items())
        holders |= now
    return count


def pauses(times: dict[int, list[float]], begin: float, end: float) -> dict[int, float]:
    """The longest time without an answer of each partition."""
    found = {}
    for partition, stored in sorted(times.items()):
        within = [begin, *sorted(time for time in stored if begin <= time <= end), end]
        found[partition] = max(after - before for before, after in pairwise(within))
    return found


class Watch:
    """Looks at the group, and at what comes out."""

    def __init__(self, workers: Fleet) -> None:
        self._workers = workers
        self.seen: list[Held] = []

    async def run(self) -> None:
        """Keep each state of the group that differs from the one before, until cancelled."""
        while True:
            held = await self._workers.members()
            if held and (not self.seen or held != self.seen[-1]):
                self.seen.append(held)
            await asyncio.sleep(0.1)

    async def answers(self) -> Times:
        """All that were stored."""
        settings = self._workers.settings
        found: Times = {topic: defaultdict(list) for topic in ("analyses", "recommendations")}
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.broker, max_partition_fetch_bytes=LARGE
        )
        await consumer.start()
        try:
            for topic, times in found.items():
                partitions: list[TopicPartition] = self._workers.partitions(topic)
                consumer.assign(partitions)
                await consumer.seek_to_beginning(*partitions)
                ends = await consumer.end_offsets(partitions)
                while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
                    for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                        for record in records:
                            number = tp.partition
                            if topic == "analyses":
                                number = msgspec.json.decode(record.value)["source"]["partition"]
                            times[number].append(record.timestamp / 1000)
        finally:
            await consumer.stop()
        return found


async def steadily(workers: Fleet, records: list[Record]) -> None:
    """Send at a fixed pace, until cancelled."""
    begun = time.monotonic()
    for number, record in enumerate(records):
        await asyncio.sleep(max(begun + number / A_SECOND - time.monotonic(), 0))
        await send_all(workers.settings, [record], lambda _: None)


async def run(broker: str, named: bool, restarts: int) -> dict[str, Any]:
    """One group, each worker restarted in turn."""
    settings = settings_module.load(
        environ={}, broker=broker, app=f"rolling-{named}", prefix=f"rolling-{named}.",
        partitions=PARTITIONS,
    )  # fmt: skip
    records = draw(REVIEWS, settings).records()
    async with fleet(settings, "stream_app", "worker") as workers:
        workers.start(WORKERS, named)
        watch = Watch(workers)
        await workers.until(workers.joined, "all joined")
        sending = asyncio.create_task(steadily(workers, records))
        watching = asyncio.create_task(watch.run())
        try:
            await asyncio.sleep(2 * STEADY)
            rested = time.time()
            await asyncio.sleep(2 * STEADY)
            begun = time.time()
            for number in range(restarts):
                left = await workers.members()
                await workers.restart(number)

                async def back(left: Held = left) -> bool:
                    now = await workers.members()
                    return len(now) == WORKERS and now.keys() != left.keys()

                await workers.until(back, "the worker is back")
                await asyncio.sleep(STEADY)
            ended = time.time()
        finally:
            sending.cancel()
            watching.cancel()
        times = await watch.answers()
        await workers.stop()
    row: dict[str, Any] = {"named": named, "seconds": ended - begun}
    row["partitions_moved"] = moved(watch.seen)
    for topic, found in times.items():
        during, before = pauses(found, begun, ended), pauses(found, rested, begun)
        row[topic] = {
            "pause_s": {str(number): pause for number, pause in during.items()},
            "mean_s": sum(during.values()) / len(during),
            "longest_s": max(during.values()),
            "longest_before_s": max(before.values()),
        }
    return row


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one restart, and nothing is kept")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS.name}; with --quick none")
    options = parser.parse_args()
    restarts = 1 if options.quick else WORKERS
    with KafkaCluster() as broker:
        rows = [asyncio.run(run(broker.bootstrap, named, restarts)) for named in (False, True)]
    body = rounded(
        {
            "command": "python -m bench.rolling",
            "date": today(),
            "machine": machine(),
            "broker": "Apache Kafka, one node, on the same cores",
            "load": f"{A_SECOND} reviews a second, {WORKERS} workers, {PARTITIONS} partitions",
            "restarts": restarts,
            "runs": rows,
        }
    )
    out = options.out or (None if options.quick else RESULTS)
    if out is not None:
        out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    if options.json:
        json.dump(body, sys.stdout, indent=1)
        return
    for row in body["runs"]:
        print(f"{'named' if row['named'] else 'leaving':8} {row['partitions_moved']} moved")
        for topic in ("analyses", "recommendations"):
            told = ", ".join(f"{n}: {pause:.1f}" for n, pause in row[topic]["pause_s"].items())
            print(f"  {topic:16} {told} (before {row[topic]['longest_before_s']:.1f}) s")


if __name__ == "__main__":
    main()
