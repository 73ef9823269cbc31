"""A worker that goes on and on: steady load, a tenfold burst, hot keys, a day's backlog.

    python -m bench.endurance [--minutes 15] [--rate 60] [--out FILE]

Apache Kafka, load and worker share the machine. Every second: reviews analysed, messages that are
not committed, memory, open files. Drawn as a picture beside the JSON.
"""

import argparse
import asyncio
import datetime
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from bench.load import draw, items
from bench.run import Run, children, data_dir, rss, running
from stream_app import settings as settings_module
from stream_app.broker.kafka import KafkaCluster
from stream_app.messages.message import Record
from stream_app.messages.topics import full_name
from stream_app.settings import Settings
from stream_app.training.model.evaluation import machine

RESULTS = Path(__file__).parent / "results" / "endurance.json"
BURST_SECONDS = 30
HOT_SECONDS = 120
DAY = 86_400.0
BACKLOG = 20_000
"""Reviews of the backlog; with them half as many behaviours."""
CAUGHT_UP = 500
"""Uncommitted messages that a worker in mid-stream may have."""
SETTLE_SECONDS = 900
RATE_SECONDS = 9.5
"""Over which the picture's rate is taken."""


class Sample(NamedTuple):
    """One look. Seconds since the begin, messages, bytes."""

    second: float
    analyses: int
    lag: int
    rss: int
    files: int


class Traffic:
    """Messages, each text different: the drawn reviews with a running number."""

    def __init__(self, settings: Settings) -> None:
        self._drawn = draw(3000, settings).reviews
        self._items = [str(record.key, "utf-8") for record in items() if record.key]
        self._draw = random.Random(5)
        self._number = 0

    def next(self, time_: float, hot: bool = False) -> Iterator[Record]:
        """A review, and every second time a behaviour. `hot`: nearly all by one, of one item."""
        self._number += 1
        number, hot = self._number, hot and self._draw.random() < 0.8
        drawn = self._drawn[number % len(self._drawn)]
        user = "hot-user" if hot else f"user-{self._draw.randrange(20_000)}"
        item = self._items[0] if hot else self._draw.choice(self._items)
        review = msgspec.structs.replace(
            drawn, review_id=f"r{number}", user_id=user, item_id=item, time=time_,
            text=f"{drawn.text} {number}",
        )  # fmt: skip
        yield Record("reviews", review.review_id.encode(), msgspec.json.encode(review))
        if number % 2:
            behaviour = {"user_id": user, "item_id": item, "kind": "view", "time": time_}
            yield Record("behaviours", user.encode(), msgspec.json.encode(behaviour))


class Endurance:
    """The phases, one after the other, on one worker."""

    def __init__(self, run: Run, traffic: Traffic, rate: float) -> None:
        self._run, self._traffic, self._rate = run, traffic, rate
        self._begun = time.monotonic()
        self.samples: list[Sample] = []
        self.phases: list[dict[str, Any]] = []

    async def play(self, minutes: float) -> None:
        """Everything; the samples are taken beside it."""
        sampler = asyncio.create_task(self._sample())
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._run.settings.broker, linger_ms=10, enable_idempotence=True
        )
        await self._producer.start()
        try:
            await self._phase("steady", self._send(60 * minutes, self._rate))
            await self._phase("burst", self._send(BURST_SECONDS, 10 * self._rate))
            await self._phase("hot keys", self._send(HOT_SECONDS, self._rate, hot=True))
            await self._phase("a day's backlog", self._backlog())
        finally:
            sampler.cancel()
            with suppress(asyncio.CancelledError):
                await sampler
            await self._producer.stop()

    async def _phase(self, name: str, sending: Any) -> None:
        begin = self._now()
        await sending
        sent = self._now()
        while self.samples[-1].second < sent or self.samples[-1].lag > CAUGHT_UP:
            if self._now() - sent > SETTLE_SECONDS:
                raise TimeoutError(f"{name}: {self.samples[-1].lag} messages behind")
            await asyncio.sleep(0.5)
        own = [sample for sample in self.samples if sample.second >= begin]
        analysed = own[-1].analyses - own[0].analyses
        self.phases.append({
            "phase": name,
            "begin_s": round(begin),
            "sending_s": round(sent - begin),
            "caught_up_after_s": round(own[-1].second - sent, 1),
            "analysed": analysed,
            "reviews_per_s": round(analysed / max(own[-1].second - own[0].second, 1), 1),
            "most_behind": max(sample.lag for sample in own),
            "rss_mib": [round(s.rss / 2**20) for s in (own[0], own[len(own) // 2], own[-1])],
            "files": [own[0].files, max(s.files for s in own), own[-1].files],
        })  # fmt: skip
        print(json.dumps(self.phases[-1]), flush=True)

    async def _send(self, seconds: float, rate: float, hot: bool = False) -> None:
        begin = time.monotonic()
        for number in range(int(seconds * rate)):
            ahead = begin + number / rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            for record in self._traffic.next(time.time(), hot):
                await self._put(record)
        await self._producer.flush()

    async def _backlog(self) -> None:
        """What came in a day in which the worker stood still; then it goes on."""
        now = time.time()
        times = (now - DAY + number / BACKLOG * DAY for number in range(BACKLOG))
        await self._run.lay_up(record for at in times for record in self._traffic.next(at))

    async def _put(self, record: Record) -> None:
        topic = full_name(self._run.settings, record.topic)
        await self._producer.send(topic, record.value, key=record.key)

    async def _sample(self) -> None:
        while True:
            pid = self._run.pid
            self.samples.append(
                Sample(
                    round(self._now(), 1),
                    await self._run.stored("analyses"),
                    await self._run.lag(),
                    rss(pid),
                    len(os.listdir(f"/proc/{pid}/fd")),
                )
            )
            await asyncio.sleep(1.0)

    def _now(self) -> float:
        return time.monotonic() - self._begun


def picture(samples: list[Sample], phases: list[dict[str, Any]], path: Path) -> None:
    """Four curves over the phases."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    seconds = [sample.second / 60 for sample in samples]
    rates = []
    for sample in samples:
        before = [other for other in samples if other.second <= sample.second - RATE_SECONDS]
        first = before[-1] if before else samples[0]
        elapsed = max(sample.second - first.second, 1.0)
        rates.append((sample.analyses - first.analyses) / elapsed)
    figure, axes = pyplot.subplots(4, 1, figsize=(9, 8), sharex=True, layout="constrained")
    curves = (
        ("reviews/s", rates),
        ("not committed", [s.lag for s in samples]),
        ("memory, MiB", [s.rss / 2**20 for s in samples]),
        ("open files", [s.files for s in samples]),
    )
    for axis, (name, values) in zip(axes, curves, strict=True):
        axis.plot(seconds, values, linewidth=1.2)
        axis.set_ylabel(name)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        for phase in phases:
            axis.axvline(phase["begin_s"] / 60, color="grey", linewidth=0.8)
    for number, phase in enumerate(phases):
        height = 1.02 + 0.1 * (number % 2)  # short phases stand close together
        axes[0].annotate(
            phase["phase"], (phase["begin_s"] / 60, height), xycoords=("data", "axes fraction"),
            fontsize=8,
        )  # fmt: skip
    axes[-1].set_xlabel("minutes")
    figure.savefig(path, dpi=110)


async def measure(minutes: float, rate: float, settings: Settings, brokers: list[int]) -> Endurance:
    """Warm the worker, then all phases."""
    traffic = Traffic(settings)
    async with running(Run("all", settings, brokers)) as run:
        with data_dir() as folder:
            await run.send(items())
            run.start(folder)
            await run.send(record for _ in range(500) for record in traffic.next(time.time()))
            await run.finish(500)
            endurance = Endurance(run, traffic, rate)
            await endurance.play(minutes)
            return endurance


def main() -> None:
    """Measure, print, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="of the steady load")
    parser.add_argument("--rate", type=float, default=60.0, help="reviews a second")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    before = set(children())
    with KafkaCluster() as broker:
        settings = settings_module.load(broker=broker.bootstrap, app="endurance", prefix="e-")
        brokers = [pid for pid in children() if pid not in before]
        done = asyncio.run(measure(given.minutes, given.rate, settings, brokers))
    body = {
        "command": f"python -m bench.endurance --minutes {given.minutes:g} --rate {given.rate:g}",
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "broker": "Apache Kafka, one node, on the same cores",
        "phases": done.phases,
        "every_tenth_sample": [sample._asdict() for sample in done.samples[::10]],
    }
    given.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    picture(done.samples, done.phases, given.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
