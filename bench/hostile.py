"""A million hostile messages through all processors: each accounted for, none slow, memory flat.

    python -m bench.hostile [--count 1000000] [--seed 7]

Drawn from `bench/attacks.py`. In batches of 256 through the four processors with the shipped
model, as `stream-app replay` runs them, with the tables in memory. What is timed for each message
alone is what depends on its content: decoding, cleaning, masking (`analyse` with the text's answer
already in the cache), applying.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Container
from itertools import count
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.attacks import Attacks
from bench.recommend import rss
from models.evaluation import machine, today
from stream_app.delivery.message import Message, Record
from stream_app.identity import partition
from stream_app.interests.record import decode
from stream_app.pipeline import Pipeline, build
from stream_app.settings import load

RESULTS = Path(__file__).parent / "results" / "hostile.json"
BATCH, PARTITIONS = 256, 4
INPUTS = ("reviews", "behaviours", "items")
SINGLED = 20
"""One message in so many is also timed alone."""
Place = tuple[str, int, int]


class Run:
    """The processors with their tables, and the account of every input."""

    def __init__(self, pipeline: Pipeline, seed: int) -> None:
        self.attacks = Attacks(seed)
        self.account: Counter[str] = Counter()
        self.slowest = 0.0
        self.slowest_of = b""
        self._pipeline = pipeline
        self._offsets: Counter[tuple[str, int]] = Counter()
        self._tables: dict[str, dict[tuple[int, bytes], bytes]] = {"interests": {}, "subjects": {}}
        self._round = count()

    def batch(self, size: int = BATCH) -> None:
        """One batch of messages; raises AssertionError where one is in no or in two places."""
        given = [self._message(self.attacks.record(), self.attacks.time()) for _ in range(size)]
        by_topic = {topic: [m for m in given if m.topic == topic] for topic in INPUTS}
        pipeline = self._pipeline
        items = pipeline.items(by_topic["items"], _none).records
        analysed = pipeline.analyse(by_topic["reviews"], _none).records
        analyses = [self._message(r, 1.7e9) for r in analysed if r.topic == "analyses"]
        folded = self._stateful(
            "interests", pipeline.interests, [*analyses, *by_topic["behaviours"]]
        )
        signals = [self._message(r, 1.7e9) for r in (*analysed, *folded) if r.topic == "signals"]
        watched = self._stateful("subjects", pipeline.watch, signals)
        dead = [r for r in (*items, *analysed, *folded, *watched) if r.topic == "dead-letters"]
        places = Counter(_place(dict(r.headers)) for r in dead)
        assert max(places.values(), default=1) == 1, "a message twice in the dead letters"
        refused = Counter(topic for topic, _, _ in places)
        put = sum(r.topic == "item-vectors" for r in items)
        assert len(analyses) + refused["reviews"] == len(by_topic["reviews"])
        assert put + refused["items"] == len(by_topic["items"])
        assert len(dead) == sum(refused[topic] for topic in INPUTS)
        self._applied(by_topic["behaviours"], places)
        for topic, messages in by_topic.items():
            self.account[f"{topic} in"] += len(messages)
            self.account[f"{topic} refused"] += refused[topic]
        self.account["alerts"] += sum(r.topic == "alerts" for r in (*analysed, *watched))
        for message in given[::SINGLED]:
            self._alone(message)

    def _applied(self, messages: list[Message], refused: Container[Place]) -> None:
        """Each behaviour is in the dead letters or applied to its user's record."""
        for m in messages:
            if (m.topic, m.partition, m.offset) not in refused:
                record = decode(self._tables["interests"][m.partition, m.key or b""])
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

    def _stateful(self, table: str, processor: Any, messages: list[Message]) -> list[Record]:
        values = self._tables[table]
        result = processor(messages, lambda number, key: values.get((number, key)))
        values.update({(s.partition, s.key): s.value for s in result.states})
        records: list[Record] = result.records
        return records

    def _message(self, entry: Record, received: float) -> Message:
        number = next(self._round) % PARTITIONS
        if entry.key is not None:
            number = partition(entry.key, PARTITIONS)
        offset = self._offsets[entry.topic, number]
        self._offsets[entry.topic, number] += 1
        return Message(entry.topic, number, offset, entry.key, entry.value, entry.headers, received)


def _place(headers: dict[str, bytes]) -> Place:
    get = "__connect.errors.{}".format
    topic, number, offset = (headers[get(f)].decode() for f in ("topic", "partition", "offset"))
    return topic, int(number), int(offset)


def _none(number: int, key: bytes) -> bytes | None:
    raise AssertionError("this processor has no table")


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
            memory.append(round(rss() / 2**20))
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
