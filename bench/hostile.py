"""A million hostile messages through all processors: each accounted for, none slow, memory flat.

    python -m bench.hostile [--count 1000000] [--seed 7] [--note TEXT]
    python -m bench.hostile --broker [--count 50000]

Drawn from `bench/attacks.py`. In batches of 256 through `stream-app replay`: the four processors
with the shipped model, the tables in memory. Within it, what a message's content can make slow is
timed for every message: decoding, checking, cleaning and masking (`read`), an item's text, and
tokenising each text that the model has not read yet. One message in 64 is also timed alone through
its whole processor (its text's answer is then in the cache; the model reads a bounded number of
tokens). Times are CPU time of the process, since other programs run beside; what is slower than all
before it is measured three times, and the least counts.

Memory is the resident memory of the process, less the bytes of the tables, which a worker keeps on
disk. It starts when the cache of the model's answers is full (4,096 texts), and the catalogue with
it.

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
from typing import Any, TypeVar

from tqdm import tqdm

from bench import hostile_broker
from bench.attacks import Attacks
from bench.run import rss
from stream_app import schemas
from stream_app.interests.record import decode
from stream_app.messages.dead_letter import origin
from stream_app.messages.message import Message, Record
from stream_app.messages.topics import INPUTS
from stream_app.pipeline import Pipeline, build
from stream_app.processors.catalogue import item_text
from stream_app.replay import Replay
from stream_app.schemas import Behaviour, Invalid, Item
from stream_app.settings import load
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "hostile.json"
BATCH, PARTITIONS = 256, 4
SINGLED = 64
"""One message in so many is also timed alone through its whole processor."""
SAMPLES = 20
"""Memory is looked at so often, evenly."""
T = TypeVar("T")
Place = tuple[str, int, int]


class Run(Replay):
    """A replay of hostile messages that keeps the account of every input."""

    def __init__(self, pipeline: Pipeline, seed: int) -> None:
        super().__init__(pipeline, PARTITIONS)
        self.attacks = Attacks(seed)
        self.account: Counter[str] = Counter()
        self.slowest = {part: Slowest() for part in ("read", "text", "tokenise", "whole")}
        self._given: list[Message] = []
        # Timed where it happens, so that nothing of weight is done twice.
        model = pipeline.live.current.inference.model
        encode = model.encode
        one = self._timed("tokenise", lambda text: encode([text])[0])
        model.encode = lambda texts: [one(text) for text in texts]  # type: ignore[method-assign]
        read = self._timed("read", pipeline.analyse._validate)
        pipeline.analyse._validate = read  # type: ignore[method-assign, assignment]
        self._decode = self._timed("read", self._decoded)
        self._text = self._timed("text", item_text)
        self._whole = self._timed("whole", self._alone)

    def batch(self, size: int = BATCH) -> None:
        """One batch of messages; raises AssertionError where one is in no or in two places."""
        self._given = []
        outputs = list(self.run([self.attacks.record() for _ in range(size)]))
        dead = [o for o in outputs if o.topic == "dead-letters"]
        places = Counter(origin(o.headers) for o in dead)
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
            if message.topic != "reviews":
                with suppress(Invalid):
                    if isinstance(found := self._decode(message), Item):
                        self._text(found)
        for message in self._given[::SINGLED]:
            self._whole(message)

    @staticmethod
    def _decoded(message: Message) -> Item | Behaviour:
        kind: Any = Item if message.topic == "items" else Behaviour
        found: Item | Behaviour = schemas.decode(message.value, kind)
        return found

    def _timed(self, part: str, work: Callable[[Any], T]) -> Callable[[Any], T]:
        return lambda argument: self.slowest[part].time(partial(work, argument), argument)

    def full(self) -> bool:
        """Whether the cache holds what it may."""
        cache = self._pipeline.live.current.inference.cache
        return len(cache) == cache.size

    def memory(self) -> int:
        """MiB of the process without the tables."""
        tables = sum(len(value) for table in self.states.values() for value in table.values())
        return round((rss(os.getpid()) - tables) / 2**20)

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
                user = decode(self.state("interests", (m.key or b"").decode()))
                assert user.applied[m.source] >= m.offset, m

    def _alone(self, message: Message) -> None:
        processor: Any = {
            "reviews": self._pipeline.analyse, "items": self._pipeline.items,
            "behaviours": self._pipeline.interests,
        }[message.topic]  # fmt: skip
        read = self.states["interests"].get
        processor([message], lambda number, key: read((number, key)))


class Slowest:
    """The slowest of many, and how it begins."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.of = ""
        self._work: Callable[[], Any] = lambda: None

    def time(self, work: Callable[[], T], of: Any) -> T:
        """Do it and time it; what seems slower than all before, thrice."""
        self.count += 1
        begun = time.process_time()
        try:
            return work()
        finally:
            spent = time.process_time() - begun
            if spent > self.seconds:
                spent = min(spent, _seconds(work), _seconds(work))
            if spent > self.seconds:
                self.seconds, self.of = spent, ascii(getattr(of, "value", of))[:120]
                self._work = work

    def again(self) -> None:
        """Do the slowest once more."""
        _seconds(self._work)

    def told(self) -> dict[str, Any]:
        """For the results."""
        return {"count": self.count, "ms": round(1000 * self.seconds, 1), "of": self.of}


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    with suppress(Invalid):
        work()
    return time.process_time() - begun


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
    memory: list[int] = []
    start = begun_at = 0
    every = max(1, batches // SAMPLES)
    for number in tqdm(range(1, batches + 1), unit="batch", mininterval=5):
        run.batch()
        if not start and (run.full() or number == batches):
            start, begun_at = run.memory(), number
        if start and number % every == 0:
            memory.append(run.memory())
    return {
        "messages": batches * BATCH, "seed": seed,
        "minutes": round((time.monotonic() - begun) / 60, 1), "unaccounted": 0,
        "account": dict(sorted(run.account.items())),
        "slowest": {part: slowest.told() for part, slowest in run.slowest.items()},
        "memory_mib": {"started_at_message": begun_at * BATCH, "start": start, "then": memory,
                       "growth": round(max(memory) / start - 1, 3)},
    }  # fmt: skip


if __name__ == "__main__":
    main()
