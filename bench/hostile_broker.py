"""Hostile messages through a worker on Apache Kafka, and what only a broker can bring.

The messages of `bench/attacks.py` are sent with headers and timestamps of all kinds; between them
come batches made by hand: compressed ones that inflate a thousandfold, by every codec, records
larger than any topic takes, the largest that a topic takes, headers whose names are no UTF-8 or
that are a hundred thousand, keys of megabytes, timestamps at the ends of int64, records without key
and value. One worker, started as users start it, reads them all; where it ends, so does the run.

Each input must then be in exactly one place, read back from the topics: a review in the analyses or
in the dead letters, a behaviour there or, by the mark in its user's recommendations, applied, and
as many items in item-vectors and dead letters together as were sent. For that none of these topics
is compacted here, and retention, which goes by the hostile timestamps, is off.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as PlainBuilder

from bench.attacks import Attacks
from bench.run import rss
from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.outbox import MAX_REQUEST
from stream_app.delivery.upstream import unpacking
from stream_app.messages.dead_letter import error_headers, origin
from stream_app.messages.identity import partition
from stream_app.messages.message import Headers
from stream_app.messages.topics import CONSUMED, INPUTS, LARGE, full_name
from stream_app.settings import Settings, environment, load

RESULTS = Path(__file__).parent / "results" / "hostile_broker.json"
CODECS = {
    "none": DefaultRecordBatch.CODEC_NONE, "gzip": DefaultRecordBatch.CODEC_GZIP,
    "snappy": DefaultRecordBatch.CODEC_SNAPPY, "lz4": DefaultRecordBatch.CODEC_LZ4,
    "zstd": DefaultRecordBatch.CODEC_ZSTD,
}  # fmt: skip
MIB = 2**20
FIRST, LAST = -(2**63), 2**63 - 1
TIMES = (None, None, None, None, -1, 0, 1, FIRST, LAST, 253_402_300_800_000)
"""Of messages, in milliseconds; None: now."""
FOREVER = {"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": str(LARGE)}
WARM = 0.1
"""Memory starts when this share of all is committed: every shape of batch has been met."""


class Entry(NamedTuple):
    """One record of a batch made by hand."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    time: int | None = None


class Bytes(str):
    """The name of a header, in bytes that are no UTF-8."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe\x80"


def batches(big: bool) -> Iterator[tuple[str, str, list[Entry]]]:
    """Batches made by hand: what it is, its codec, its records. `big`: also those that inflate
    beyond 100 MiB, which take their makers seconds."""
    zeros = bytes(3 * MIB)
    review = {"review_id": "r", "user_id": "u1", "item_id": "i1", "text": "太差", "time": 1.7e9}
    good = json.dumps(review).encode()
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        yield "ordinary", codec, [Entry(b"u1", good)] * 20
        yield "zeros", codec, [Entry(b"k", zeros)] * 5
        if codec == "snappy":
            continue  # inflates by 21 at most: larger ones are no message any more
        yield "bomb", codec, [Entry(b"k", zeros)] * (100 if big else 20)
        yield "larger than a topic takes", codec, [Entry(b"k", bytes(6 * MIB))]
        yield "many", codec, [Entry(None, b"")] * 5000
    yield "the largest", "none", [Entry(b"k", b"x" * (LARGE - 100))]
    yield "the largest header", "none", [Entry(b"u1", good, (("ce_id", b"x" * (LARGE - 1000)),))]
    yield "the largest name", "none", [Entry(b"u1", good, (("ce_" + "x" * (LARGE - 1000), b""),))]
    yield "many headers", "none", [Entry(b"u1", good, (("", b""),) * 100_000)]
    yield "headers without value", "none", [Entry(b"u1", good, (("ce_id", None), ("x", None)))]
    yield "header without UTF-8", "none", [Entry(b"u1", good, ((Bytes("x"), b""),))] * 3
    yield "the largest key", "none", [Entry(b"k" * (LARGE - 100), None)]
    yield "a huge key", "zstd", [Entry(b"k" * (5 * MIB), b"{}")]
    yield "nothing", "none", [Entry(None, None)] * 3
    yield "tombstone", "none", [Entry(b"i1", None), Entry(b"\xff", None), Entry(b"", None)]
    for moment in (FIRST, -1, 0, LAST):
        yield f"time {moment}", "none", [Entry(b"u1", good, (), moment)]


def build(codec: str, entries: list[Entry]) -> BatchBuilder:
    """The batch, as aiokafka's producer sends it."""
    builder = BatchBuilder(2**31 - 1, CODECS[codec])
    if any(isinstance(name, Bytes) for entry in entries for name, _ in entry.headers):
        # The compiled one takes text alone.
        builder._builder = PlainBuilder(2, CODECS[codec], 0, -1, -1, 0, 2**31 - 1)
    for entry in entries:
        stamp = int(time.time() * 1000) if entry.time is None else entry.time
        made = builder.append(
            timestamp=stamp, key=entry.key, value=entry.value, headers=list(entry.headers)
        )
        assert made is not None
    return builder


class Worker:
    """One `stream-app worker`; its memory is sampled from outside."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.log = folder / "worker.log"
        own = msgspec.structs.replace(settings, data_dir=str(folder / "data"))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stream_app", "worker"],
                env=os.environ | environment(own), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip

    def memory(self) -> int:
        """Resident bytes; raises RuntimeError where it has ended."""
        if self._process.poll() is not None:
            said = self.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"the worker ended with {self._process.returncode}: {said}")
        return rss(self._process.pid)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self._process.terminate()
        try:
            return self._process.wait(30)
        finally:
            self._process.kill()


class Hostile:
    """The topics of one run, and the account of what was sent."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sent: Counter[str] = Counter()
        self.users: dict[tuple[int, int], bytes | None] = {}
        """Keys of the behaviours by partition and offset."""

    async def prepare(self) -> None:
        """The topics: nothing compacted that is counted, any timestamp taken."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.broker)
        await admin.start()
        try:
            anytime = {"message.timestamp.before.max.ms": str(LAST)}
            anytime |= {"message.timestamp.after.max.ms": str(LAST)}
            response = await admin.create_topics([
                NewTopic(full_name(self.settings, name), self.settings.partitions, 1,
                         topic_configs=FOREVER | (anytime if name in INPUTS else {}))
                for name in (*INPUTS, "item-vectors", "dead-letters")
            ])  # fmt: skip
            assert not any(code for _, code, *_ in response.topic_errors), response
        finally:
            await admin.close()
        await administration.create(self.settings)

    async def send(self, count: int, seed: int) -> None:
        """`count` messages of the attacks, key and value as they come."""
        attacks = Attacks(seed)
        async with self._producer() as producer:
            pending: list[Any] = []
            for number in range(count):
                record = attacks.record()
                key, value = record.key, record.value
                if key is None and value is None:
                    key = b""  # aiokafka sends none without both; a batch by hand does
                where = (
                    number % self.settings.partitions
                    if key is None
                    else partition(key, self.settings.partitions)
                )
                pending.append(
                    await producer.send(
                        full_name(self.settings, record.topic), value, key, where,
                        TIMES[number % len(TIMES)], list(record.headers),
                    )
                )  # fmt: skip
                self.sent[record.topic] += 1
                if record.topic == "behaviours":
                    stored = pending[-1]
                    stored.add_done_callback(self._note(key))
                if len(pending) == 500:
                    await asyncio.gather(*pending)
                    pending.clear()
            await asyncio.gather(*pending)

    def _note(self, key: bytes | None) -> Callable[[Any], None]:
        def note(stored: Any) -> None:
            if not stored.cancelled() and stored.exception() is None:
                self.users[stored.result().partition, stored.result().offset] = key

        return note

    async def send_batches(self, big: bool) -> list[dict[str, Any]]:
        """All batches made by hand, to every input; what they were, in bytes."""
        told = []
        async with self._producer() as producer:
            for name, codec, entries in batches(big):
                size = 0
                for topic in INPUTS:
                    made = build(codec, entries)
                    size = len(made._build())
                    number = partition(entries[0].key or b"", self.settings.partitions)
                    full = full_name(self.settings, topic)
                    stored = await (await producer.send_batch(made, full, partition=number))
                    self.sent[topic] += len(entries)
                    if topic == "behaviours":
                        for at, entry in enumerate(entries):
                            self.users[number, stored.offset + at] = entry.key
                inflated = sum(len(e.key or b"") + len(e.value or b"") for e in entries)
                told.append({"what": name, "codec": codec, "records": len(entries),
                             "batch_bytes": size, "inflated_bytes": inflated})  # fmt: skip
        return told

    async def accounted(self) -> dict[str, Any]:
        """What became of every input; `unaccounted` and `twice` must be 0."""
        analysed: Counter[tuple[str, int, int]] = Counter()
        async for message in self._read("analyses"):
            source = json.loads(message.value)["source"]
            analysed[source["topic"], source["partition"], source["offset"]] += 1
        dead: Counter[tuple[str, int, int]] = Counter()
        reasons: Counter[str] = Counter()
        async for message in self._read("dead-letters"):
            dead[origin(message.headers)] += 1
            said = error_headers(message.headers)
            reasons["cut" if "cut" in said else "whole"] += 1
            if "the record cannot be read" in said["exception.message"]:
                reasons[said["exception.message"]] += 1
        applied: dict[bytes, dict[str, int]] = {}
        async for message in self._read("recommendations"):
            applied[message.key] = json.loads(message.value)["applied"]
        vectors = 0
        async for _ in self._read("item-vectors"):
            vectors += 1
        unaccounted = twice = 0
        for (number, offset), key in self.users.items():
            mark = applied.get(key or b"", {}).get(f"behaviours/{number}", -1)
            unaccounted += mark < offset and ("behaviours", number, offset) not in dead
        for number, end in (await self._ends("reviews")).items():
            for offset in range(end):
                where = ("reviews", number, offset)
                unaccounted += where not in analysed and where not in dead
                twice += where in analysed and where in dead
        refused = Counter(topic for topic, _, _ in dead)
        unaccounted += abs(self.sent["items"] - vectors - refused["items"])
        twice += sum(n - 1 for counts in (analysed, dead) for n in counts.values())
        unaccounted += abs(sum((await self._ends("reviews")).values()) - self.sent["reviews"])
        account = {f"{topic} in": self.sent[topic] for topic in INPUTS}
        account |= {f"{topic} refused": refused[topic] for topic in INPUTS}
        return {
            "unaccounted": unaccounted, "twice": twice, "account": account,
            "dead_letters": dict(sorted(reasons.items())),
        }  # fmt: skip

    async def lag(self) -> int:
        """Messages that the worker has not committed."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.broker)
        await admin.start()
        try:
            held = await admin.list_consumer_group_offsets(self.settings.app)
        except GroupCoordinatorNotAvailableError:
            held = {}  # nobody has joined a group on this broker yet
        finally:
            await admin.close()
        behind = 0
        for topic in CONSUMED:
            name = full_name(self.settings, topic)
            for number, end in (await self._ends(topic)).items():
                at = held.get(TopicPartition(name, number))
                behind += end - (max(at.offset, 0) if at is not None else 0)
        return behind

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.broker, max_request_size=MAX_REQUEST, linger_ms=5
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    @asynccontextmanager
    async def _consumer(self, topic: str) -> AsyncIterator[tuple[Any, dict[TopicPartition, int]]]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.broker,
            max_partition_fetch_bytes=LARGE,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        name = full_name(self.settings, topic)
        try:
            where = [TopicPartition(name, n) for n in range(self.settings.partitions)]
            consumer.assign(where)
            yield consumer, await consumer.end_offsets(where)
        finally:
            await consumer.stop()

    async def _ends(self, topic: str) -> dict[int, int]:
        async with self._consumer(topic) as (_, ends):
            return {tp.partition: end for tp, end in ends.items()}

    async def _read(self, topic: str) -> AsyncIterator[Any]:
        async with self._consumer(topic) as (consumer, ends):
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    for message in messages:
                        yield message


async def through(
    cluster: KafkaCluster, count: int, seed: int, *, big: bool, seconds: float
) -> dict[str, Any]:
    """One run on a started cluster; raises RuntimeError where the worker ends, TimeoutError."""
    app = f"hostile-{seed}-{count}"
    settings = load(environ={}, broker=cluster.bootstrap, app=app, prefix=f"{app}.",
                    session_timeout=30.0)  # fmt: skip
    unpacking.install()
    hostile = Hostile(settings)
    await hostile.prepare()
    memory: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="stream-app-bench-") as folder:
        worker = Worker(settings, Path(folder))
        try:
            begun = time.monotonic()

            async def drained(phase: str) -> None:
                while await hostile.lag():
                    memory[phase].append(worker.memory() / MIB)
                    if time.monotonic() - begun > seconds:
                        raise TimeoutError(f"{await hostile.lag()} left after {seconds:g} s")
                    await asyncio.sleep(0.5)
                memory[phase].append(worker.memory() / MIB)

            await hostile.send(int(count * WARM), seed)
            await drained("warm-up")
            start = memory["warm-up"][-1]
            sending = asyncio.create_task(hostile.send(count - int(count * WARM), seed + 1))
            await asyncio.sleep(1)
            told = await hostile.send_batches(big)
            await sending
            await drained("run")
            await asyncio.sleep(2)
            memory["run"].append(worker.memory() / MIB)
            minutes = (time.monotonic() - begun) / 60
            lag = await hostile.lag()
            account = await hostile.accounted()
            code = worker.stop()
        finally:
            worker.stop()
    return {
        "messages": hostile.sent.total(), "seed": seed, "minutes": round(minutes, 1),
        **account, "lag": lag, "exit_code": code,
        "memory_mib": {"start": round(start), "most": round(max(memory["run"])),
                       "end": round(memory["run"][-1])},
        "batches_to_each_input": told,
    }  # fmt: skip


async def run(count: int, seed: int) -> dict[str, Any]:
    """The long run, on a cluster of its own."""
    cluster = KafkaCluster()
    await asyncio.to_thread(cluster.start)
    try:
        return await through(cluster, count, seed, big=True, seconds=3600)
    finally:
        await asyncio.to_thread(cluster.stop)
