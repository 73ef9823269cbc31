"""A million hostile messages through all processors: each accounted for, none slow, memory flat.

    python -m bench.hostile [--count 1000000] [--seed 7]

Drawn from `bench/attacks.py`. In batches of 256 through `stream-app replay`: the four processors
with the shipped model, the tables in memory. What is timed for each message
alone is what depends on its content: decoding, cleaning, masking (`analyse` with the text's answer
already in the cache), applying and recommending.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.attacks import Attacks
from bench.run import rss
from models.evaluation import machine, today
from stream_app.delivery.message import Message, Record
from stream_app.pipeline import Pipeline, build
from stream_app.replay import Replay
from stream_app.settings import load

RESULTS = Path(__file__).parent / "results" / "hostile.json"
BATCH, PARTITIONS = 256, 4
INPUTS = ("reviews", "behaviours", "items")
SINGLED = 20
"""One message in so many is also timed alone."""
Place = tuple[str, int, int]


class Run(Replay):
    """A replay of hostile messages that keeps the account of every input."""

    def __init__(self, pipeline: Pipeline, seed: int) -> None:
        super().__init__(pipeline, PARTITIONS)
        self.attacks = Attacks(seed)
        self.account: Counter[str] = Counter()
        self.slowest = 0.0
        self.slowest_of = b""
        self._given: list[Message] = []

    def batch(self, size: int = BATCH) -> None:
        """One batch of messages; raises AssertionError where one is in no or in two places."""
        self._given = []
        outputs = list(self.run([self.attacks.record() for _ in range(size)]))
        dead = [o for o in outputs if o.topic == "dead-letters"]
        places = Counter(_place(dict(o.headers)) for o in dead)
        assert max(places.values(), default=1) == 1, "a message twice in the dead letters"
        refused = Counter(topic for topic, _, _ in places)
        sent = Counter(o.topic for o in outputs)
        came = Counter(m.topic for m in self._given)
        assert came.total() == size
        assert sent["analyses"] + refused["reviews"] == came["reviews"]
        assert sent["item-vectors"] + refused["items"] == came["items"]
        assert len(dead) == sum(refused[topic] for topic in INPUTS)
        self._applied([m for m in self._given if m.topic == "behaviours"], places)
        for topic in INPUTS:
            self.account[f"{topic} in"] += came[topic]
            self.account[f"{topic} refused"] += refused[topic]
        for topic in ("alerts", "recommendations"):
            self.account[topic] += sent[topic]
        for message in self._given[::SINGLED]:
            self._alone(message)

    def _receive(self, entry: Record) -> Message:
        message = super()._receive(entry)
        if entry.topic in INPUTS:
            message = message._replace(time=self.attacks.time())
            self._given.append(message)
        return message

    def _applied(self, messages: list[Message], refused: Container[Place]) -> None:
        """Each behaviour is in the dead letters or applied to its user's record."""
        for m in messages:
            if (m.topic, m.partition, m.offset) not in refused:
                record = self.record((m.key or b"").decode())
                assert record.applied[m.source] >= m.offset, m

    def _alone(self, message: Message) -> None:
        processor: Any = {
            "reviews": self._pipeline.analyse, "items": self._pipeline.items,
            "behaviours": self._pipeline.interests,
        }[message.topic]  # fmt: skip
        read = self._tables["interests"].get
        begun = time.perf_counter()
        processor([message], lambda number, key: read((number, key)))
        spent = time.perf_counter() - begun
        if spent > self.slowest:
            self.slowest, self.slowest_of = spent, (message.value or b"")[:80]


def _place(headers: dict[str, bytes]) -> Place:
    get = "__connect.errors.{}".format
    topic, number, offset = (headers[get(f)].decode() for f in ("topic", "partition", "offset"))
    return topic, int(number), int(offset)


def main() -> None:
    """Run, print and keep the account."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    run = Run(build(load()), options.seed)
    begun, batches = time.monotonic(), -(-options.count // BATCH)
    memory = []
    for number in tqdm(range(batches), unit="batch", mininterval=5):
        run.batch()
        if number % max(1, batches // 20) == 0:
            memory.append(round(rss(os.getpid()) / 2**20))
    body = {
        "machine": machine(), "date": today(), "messages": batches * BATCH, "seed": options.seed,
        "minutes": round((time.monotonic() - begun) / 60, 1), "unaccounted": 0,
        "account": dict(sorted(run.account.items())),
        "slowest_ms": round(1000 * run.slowest, 1), "slowest": run.slowest_of.decode("latin-1"),
        "memory_mib": memory,
    }  # fmt: skip
    print(json.dumps(body, indent=1))
    options.results.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
