"""The main job on a broker: everything accounted for, state equal to replay, whatever is killed."""

import json
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from stream_app import schemas
from stream_app.broker import Broker
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.emerging.discovered import SUBJECT
from stream_app.interests import record
from stream_app.interests.record import Interest
from stream_app.interests.update import DAY
from stream_app.messages.message import Record
from stream_app.pipeline import build
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.policy import Rules
from stream_app.recommend.sources import sources
from stream_app.replay import Replay
from stream_app.schemas import Trend
from tests.kafka.load import events, items
from tests.kafka.verdict import accounted, differences, subjects_of, without_analyses, without_busy
from tests.kafka.workers import WorkerProcess, drained, newest, read_all, settings_for, table, until

COUNT = 5000


def recommended(
    records: dict[str, Interest], trends: Iterable[Trend], items: Catalogue, neighbours: bool
) -> dict[str, list[str]]:
    """What a worker recommends to everybody that has read all of that."""
    hybrid = Hybrid(sources(14 * DAY, {}, None), Rules(), 10)
    for trend in trends:
        told = trend if neighbours else msgspec.structs.replace(trend, neighbours="")
        hybrid.put(told)
    ranked = hybrid.recommend(list(records.values()), items)
    return {
        user: [entry.item_id for entry in found.items]
        for user, found in zip(records, ranked, strict=True)
    }


@pytest.mark.slow
@pytest.mark.timeout(420)
@pytest.mark.parametrize("moves", [0, 8], ids=["one kill", "kills and stops in a row"])
async def test_a_killed_worker_changes_nothing(
    kafka: KafkaCluster, tmp_path: Path, moves: int
) -> None:
    """Two workers, one killed in the middle and its state deleted: nothing is lost, and the
    tables, trends and open surges are those of `replay`, field by field. Also where `moves` more
    kills and orderly stops follow, the partitions hardly at rest in between."""
    settings = settings_for(kafka, f"killed-{moves}")
    await administration.create(settings)
    catalogue, load_ = list(items()), events(COUNT, until=time.time())
    await send_all(settings, catalogue, lambda n: None)
    await send_all(settings, load_, lambda n: None)
    workers = [WorkerProcess(settings, tmp_path, name) for name in ("one", "two")]
    try:
        for worker in workers:
            worker.start()

        async def some(count: int) -> bool:
            assert all(worker.alive() for worker in workers), [w.said() for w in workers]
            return len(await read_all(settings, settings.prefix + "analyses")) > count

        await until(lambda: some(int(COUNT * 0.4)), 150, "two fifths analysed")
        workers[1].kill()
        workers[1].delete_state()
        workers[1].start()
        for move in range(moves):
            await until(partial(some, int(COUNT * (0.45 + move * 0.05))), 150, f"move {move}")
            victim = workers[move % 2]
            if move % 4 < 2:
                victim.kill()
            else:
                victim.terminate()
            victim.start()

        await drained(settings, workers, 200)
        assert [worker.terminate() for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            if worker.alive():
                worker.kill()

    total, lost = await accounted(settings)
    assert lost == []
    assert total == sum(1 for entry in load_)

    pipeline = build(settings)
    oracle = Replay(pipeline, settings.partitions)
    outputs = list(oracle.run([*catalogue, *load_]))
    live = {
        user: record.decode(value)
        for user, value in sorted((await table(settings, "interests")).items())
    }
    interests = {user: record.readable(value) for user, value in live.items()}
    subjects = subjects_of(pipeline, await table(settings, "subjects"))
    trends = {
        key: msgspec.json.decode(value)
        for key, value in (await newest(settings, settings.prefix + "trends")).items()
    }
    oracle_trends = {
        o.key.decode(): msgspec.json.decode(o.value)
        for o in outputs
        if o.topic == "trends" and o.key and o.value
    }
    # Whatever was killed, everybody is recommended what an uninterrupted run recommends; with the
    # statistics of neighbours, which hang on what a record held when an event came, nearly.
    told = [schemas.decode(msgspec.json.encode(value), Trend) for value in trends.values()]
    told_oracle = [
        schemas.decode(msgspec.json.encode(value), Trend) for value in oracle_trends.values()
    ]
    expected_records = {user: record.decode(oracle.state("interests", user)) for user in live}

    def both(neighbours: bool) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        return (
            recommended(live, told, pipeline.catalogue, neighbours),
            recommended(expected_records, told_oracle, pipeline.catalogue, neighbours),
        )

    ours, theirs = both(neighbours=False)
    assert ours == theirs
    ours, theirs = both(neighbours=True)
    shared = [len(set(ours[user]) & set(theirs[user])) for user in live]
    assert sum(shared) >= 9 * len(live)
    # Statistics, not state: which events a record held when another came.
    for all_trends in (trends, oracle_trends):
        for value in all_trends.values():
            value.pop("neighbours", None)
    assert differences(interests, oracle.records("interests")) == []
    expected = oracle.records("subjects")
    # The planted surge is there: equal emptiness would prove nothing.
    assert subjects["item:p-101"]["open"]
    busy = without_busy(subjects, expected, load_)
    assert SUBJECT in busy
    for name in busy:
        assert trends.pop(name)["subject"] == oracle_trends.pop(name)["subject"]
    without_analyses(subjects, expected)
    assert differences(subjects, expected) == []
    assert differences(trends, oracle_trends) == []
    assert len(interests) == 400


async def test_a_stranger_sees_the_whole_way(any_broker: Broker, tmp_path: Path) -> None:
    """One review: analysis, recommendation, alert, trend; its trace context travels along."""
    settings = settings_for(any_broker, "stranger")
    await administration.create(settings)
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    review = {"review_id": "r1", "user_id": "u1", "item_id": "p-101", "time": time.time(),
              "text": "充电的时候着火了，太危险了！"}  # fmt: skip
    try:
        await send_all(settings, items(), lambda n: None)
        await send_all(
            settings, [Record("reviews", b"r1", json.dumps(review).encode())], lambda n: None
        )

        async def answered() -> bool:
            assert worker.alive(), worker.said()
            alerts = await read_all(settings, settings.prefix + "alerts")
            ranked = await read_all(settings, settings.prefix + "recommendations")
            seen = await read_all(settings, settings.prefix + "trends")
            return bool(alerts and ranked and seen)

        await until(answered, 60, "alert, recommendation and trend")
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    (analysis,) = await read_all(settings, settings.prefix + "analyses")
    assert json.loads(analysis.value)["sentiment"] == "negative"
    (alert, *_) = await read_all(settings, settings.prefix + "alerts")
    assert json.loads(alert.value)["review_id"] == "r1"


async def test_a_worker_stops_in_time_without_its_broker(tmp_path: Path) -> None:
    """An orderly stop needs the broker; where it is gone, the deadline ends the worker."""
    with EmbeddedBroker() as broker:
        settings = msgspec.structs.replace(settings_for(broker, "orphan"), stop_seconds=3.0)
        await administration.create(settings)
        worker = WorkerProcess(settings, tmp_path, "only")
        worker.start()
        await send_all(settings, events(1, until=time.time()), lambda n: None)

        async def at_work() -> bool:
            assert worker.alive(), worker.said()
            return bool(await read_all(settings, settings.prefix + "analyses"))

        await until(at_work, 60, "the first analysis")
    begun = time.monotonic()
    assert worker.terminate() == 0
    assert time.monotonic() - begun < 6
