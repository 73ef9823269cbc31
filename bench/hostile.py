"""A million hostile messages through all processors: each accounted for, none slow, memory flat.

    python -m bench.hostile [--count 1000000] [--seed 7] [--note TEXT]
    python -m bench.hostile --broker [--count 50000]

Drawn from `bench/attacks.py`. In batches of 256 through `stream-app replay`: the four processors
with the shipped model, the tables in memory. Of every message what its content can make slow is
timed alone: decoding, checking, cleaning, masking and tokenising. One in twenty is timed alone
through its whole processor as well (the text's answer is then in the cache; the model reads a
bounded number of tokens). What is slower than all before it is measured three times and the least
counts, since other processes run beside.

Memory is the resident memory of the process, model and this bench's tables included; it starts
after the first twentieth of the messages, when the model has met every shape of batch and tables,
catalogue and cache are about full.

With `--broker` the messages go through a worker on Apache Kafka, see `bench/hostile_broker.py`.
"""

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Container
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

import schemas
from bench import hostile_broker
from bench.attacks import Attacks
from bench.run import rss
from models.evaluation import machine, today
from schemas import Behaviour, Invalid, Item
from stream_app.delivery.message import Message, Record
from stream_app.pipeline import Pipeline, build
from stream_app.processors.catalogue import item_text
from stream_app.replay import Replay
from stream_app.settings import load

RESULTS = Path(__file__).parent / "results" / "hostile.json"
BATCH, PARTITIONS = 256, 4
INPUTS = ("reviews", "behaviours", "items")
SINGLED = 20
"""One message in so many is also timed alone through its whole processor."""
SAMPLES = 20
"""Memory is looked at so often, evenly."""
Place = tuple[str, int, int]


class Run(Replay):
    """A replay of hostile messages that keeps the account of every input."""

    def __init__(self, pipeline: Pipeline, seed: int) -> None:
        super().__init__(pipeline, PARTITIONS)
        self.attacks = Attacks(seed)
        self.account: Counter[str] = Counter()
        self.timed = 0
        self.content = Slowest()
        self.whole = Slowest()
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
        for message in self._given:
            self.content.time(partial(self._read, message), message)
        self.timed += size
        for message in self._given[::SINGLED]:
            self.whole.time(partial(self._alone, message), message)

    def tables(self) -> int:
        """Bytes of the tables, which a worker keeps on disk."""
        return sum(len(value) for table in self._tables.values() for value in table.values())

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

    def _read(self, message: Message) -> None:
        """What a message's content can make slow, by the processors' own functions."""
        model = self._pipeline.live.current.inference.model
        with suppress(Invalid):
            if message.topic == "reviews":
                model.encode([self._pipeline.analyse._read(message).prepared.text])
            elif message.topic == "items":
                model.encode([item_text(schemas.decode(message.value, Item))])
            else:
                schemas.decode(message.value, Behaviour)

    def _alone(self, message: Message) -> None:
        processor: Any = {
            "reviews": self._pipeline.analyse, "items": self._pipeline.items,
            "behaviours": self._pipeline.interests,
        }[message.topic]  # fmt: skip
        read = self._tables["interests"].get
        processor([message], lambda number, key: read((number, key)))


class Slowest:
    """The slowest of many, and how it begins."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.of = b""

    def time(self, work: Callable[[], None], message: Message) -> None:
        """Time it; what seems slower than all before, thrice."""
        spent = _seconds(work)
        if spent > self.seconds:
            spent = min(spent, _seconds(work), _seconds(work))
        if spent > self.seconds:
            self.seconds, self.of = spent, (message.value or b"")[:120]

    def told(self) -> dict[str, Any]:
        """For the results."""
        return {"ms": round(1000 * self.seconds, 1), "of": self.of.decode("latin-1")}


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _place(headers: dict[str, bytes]) -> Place:
    get = "__connect.errors.{}".format
    topic, number, offset = (headers[get(f)].decode() for f in ("topic", "partition", "offset"))
    return topic, int(number), int(offset)


def main() -> None:
    """Run, print and keep the account."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--broker", action="store_true", help="a worker on Apache Kafka")
    parser.add_argument("--note", default="", help="kept with the results")
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    if options.broker:
        body = asyncio.run(hostile_broker.run(options.count or 50_000, options.seed))
        results = options.results or hostile_broker.RESULTS
    else:
        body = through_replay(options.count or 1_000_000, options.seed)
        results = options.results or RESULTS
    body = {"machine": machine(), "date": today(), "note": options.note} | body
    print(json.dumps(body, indent=1))
    results.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def through_replay(count: int, seed: int) -> dict[str, Any]:
    """The account of a run without a broker."""
    run = Run(build(load()), seed)
    begun, batches = time.monotonic(), -(-count // BATCH)
    memory, tables = [], []
    every = max(1, batches // SAMPLES)
    for number in tqdm(range(1, batches + 1), unit="batch", mininterval=5):
        run.batch()
        if number % every == 0:
            memory.append(round(rss(os.getpid()) / 2**20))
            tables.append(round(run.tables() / 2**20, 1))
    return {
        "messages": batches * BATCH, "seed": seed,
        "minutes": round((time.monotonic() - begun) / 60, 1), "unaccounted": 0,
        "account": dict(sorted(run.account.items())),
        "timed": run.timed, "slowest_content": run.content.told(),
        "timed_whole": batches * -(-BATCH // SINGLED), "slowest_whole": run.whole.told(),
        "memory_mib": memory, "of_which_tables_mib": tables,
        "memory_growth": round(max(memory) / memory[0] - 1, 3),
    }  # fmt: skip


if __name__ == "__main__":
    main()
