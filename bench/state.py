"""A worker's state: how fast it comes back, and what it takes in memory.

Users' records go straight into the changelog, items with their vectors straight into their topic,
so that a million is there in a minute. Restored means: in every partition a user whose record was
there before has been recommended something, and the recommendation says that it counted what the
record held.
"""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer

from bench.fleet import Fleet, fleet
from bench.load import items
from bench.run import rss
from stream_app import schemas
from stream_app.delivery.sending import send_all
from stream_app.inference.bundle import default_bundle, load
from stream_app.interests.record import SEEN, Event, Interest, encode
from stream_app.messages.identity import partition
from stream_app.messages.message import Record
from stream_app.messages.topics import changelog
from stream_app.messages.vectors import pack
from stream_app.schemas import Behaviour, Item, ItemVector, Recommendations
from stream_app.settings import Settings

WORKER = ("bench.worker", "all")
BEFORE = "before/0"
"""A source that only the records written by hand have applied."""
DIFFERENT = 1000
"""Records that are made; more users than these share their values."""
TOUCHED = 2000
"""Users who do something before memory is read, so that reading the table is in it."""
SEED = 4711
MIB = 2**20


def records() -> list[bytes]:
    """Users of 1 to 32 events, 12 on average before the cut, a third of them reviews."""
    rng = np.random.default_rng(SEED)
    dimensions = load(default_bundle()).config.dimensions
    made = []
    for _ in range(DIFFERENT):
        count = int(min(rng.geometric(1 / 12), 32))
        ids = rng.integers(2**63, size=(2, count)).tolist()
        times = sorted((time.time() - 1e6 * rng.random(count)).tolist())
        events = [
            Event(when, n, event, item, n % 5, 1.0, 0)
            for n, (when, event, item) in enumerate(zip(times, *ids, strict=True))
        ]
        vector = rng.standard_normal(dimensions, np.float32)
        interest = Interest(vector, times[-1], events)
        interest.reviews = [(int(e.time), e.id) for e in events[::3]]
        interest.seen = {e.item: int(e.time) for e in events[:SEEN]}
        interest.tastes = {f"topic-{n}": (1.0, 0.5) for n in range(min(count, 4))}
        interest.applied = {BEFORE: 1, "reviews/0": count, "reviews/1": count}
        made.append(encode(interest))
    return made


def user(number: int) -> str:
    """Id of a user whose record is there before."""
    return f"user-{number}"


async def write_users(settings: Settings, count: int) -> float:
    """Their records into the changelog; mean bytes of one."""
    made = records()
    topic = changelog(settings, "interests")
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker, linger_ms=50, max_batch_size=MIB // 2
    )
    await producer.start()
    try:
        size = 0
        for number in range(count):
            key, value = user(number).encode(), made[number % DIFFERENT]
            size += len(value)
            where = partition(key, settings.partitions)
            await producer.send(topic, value, key=key, partition=where)
    finally:
        await producer.stop()
    return size / count


def vectors(count: int) -> Iterator[Record]:
    """So many items as the workers read them."""
    rng = np.random.default_rng(SEED)
    bundle = load(default_bundle())
    for number in range(count):
        vector = rng.standard_normal(bundle.config.dimensions, np.float32)
        item = Item(
            f"item-{number}",
            f"Item {number} of the measured catalogue",
            "Four sentences would be usual here. " * 4,
            category=f"category-{number % 50}",
            price=9.9,
        )
        value = ItemVector(item, pack(vector / np.linalg.norm(vector)), bundle.version)
        yield Record("item-vectors", item.item_id.encode(), schemas.encode(value))


def behaviours(users: list[str], item: str) -> list[Record]:
    """Each has looked at the item."""
    return [
        Record("behaviours", u.encode(), schemas.encode(Behaviour(u, item, "click"))) for u in users
    ]


def one_a_partition(settings: Settings) -> list[str]:
    """The first user of each partition."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < settings.partitions:
        found.setdefault(partition(user(number).encode(), settings.partitions), user(number))
        number += 1
    return list(found.values())


async def answer(workers: Fleet, users: list[str], item: str) -> None:
    """Behaviours in, until every recommendation is stored."""
    wanted = await workers.stored("recommendations") + len(users)

    async def recommended() -> bool:
        return await workers.stored("recommendations") >= wanted

    await send_all(workers.settings, behaviours(users, item), lambda _: None)
    await workers.until(recommended, f"{len(users)} recommendations")


async def start(workers: Fleet, item: str) -> float:
    """Start one worker; seconds until it has answered a user of every partition."""
    clock = time.perf_counter()
    workers.start(1)
    await answer(workers, one_a_partition(workers.settings), item)
    return time.perf_counter() - clock


async def check(workers: Fleet) -> None:
    """The recommendations count what the records written by hand held."""
    for value in await workers.last("recommendations"):
        applied = msgspec.json.decode(value, type=Recommendations).applied
        if BEFORE not in applied:
            raise RuntimeError("a recommendation was made without the user's record")


async def recovery(settings: Settings, users: int) -> dict[str, Any]:
    """Seconds from the start to the first answers, without and with the local disk; memory."""
    async with fleet(settings, *WORKER) as workers:
        await send_all(settings, items(), lambda _: None)
        size = await write_users(settings, users)
        item = items()[0].key
        assert item is not None
        from_changelog = await start(workers, item.decode())
        await check(workers)
        restored = rss(workers.pids[0]) / MIB
        rng = np.random.default_rng(SEED)
        chosen = rng.choice(users, min(users, TOUCHED), replace=False).tolist()
        await answer(workers, [user(number) for number in chosen], item.decode())
        worked = rss(workers.pids[0]) / MIB
        await workers.stop()
        disk = sum(f.stat().st_size for f in workers.folder.rglob("*") if f.is_file())
        from_disk = await start(workers, item.decode())
        await check(workers)
        again = rss(workers.pids[0]) / MIB
        await workers.stop()
    return {
        "users": users,
        "bytes_per_record": size,
        "disk_bytes_per_user": disk / users,
        "seconds_from_changelog": from_changelog,
        "seconds_from_disk": from_disk,
        "rss_mib_restored": restored,
        "rss_mib_after_work": worked,
        "rss_mib_from_disk": again,
    }


async def catalogue(settings: Settings, count: int) -> dict[str, Any]:
    """Memory of a worker that has read so many items and answered some users; seconds to."""
    async with fleet(settings, *WORKER) as workers:
        await send_all(settings, vectors(count), lambda _: None)
        seconds = await start(workers, "item-0")
        read = rss(workers.pids[0]) / MIB
        await answer(workers, [user(number) for number in range(100)], "item-0")
        worked = rss(workers.pids[0]) / MIB
        await workers.stop()
    return {
        "items": count,
        "seconds": seconds,
        "rss_mib_read": read,
        "rss_mib_after_work": worked,
    }
