"""A bundle promoted while reviews arrive: nothing lost, both versions are seen, a broken one is
refused."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_app import schemas
from stream_app.broker.kafka import KafkaCluster
from stream_app.commands.model.promote import KEY, announce
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.inference.bundle import default_bundle, load
from stream_app.messages.message import Record
from stream_app.schemas import Promotion
from tests.kafka.load import events
from tests.kafka.workers import WorkerProcess, drained, read_all, settings_for, until


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_bundle_is_swapped_under_load(
    kafka: KafkaCluster, tmp_path: Path, variant: Callable[..., Path]
) -> None:
    settings = settings_for(kafka, "swap")
    await administration.create(settings)
    made = [record for record in events(2500, until=time.time()) if record.topic == "reviews"]
    sent = 0

    async def send(records: list[Record]) -> None:
        nonlocal sent
        await send_all(settings, records, lambda _: None)
        sent += len(records)

    await send(made)
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    old, new = load(default_bundle()), load(variant("next-1"))

    async def analysed(count: int) -> bool:
        assert worker.alive(), worker.said()
        return len(await read_all(settings, settings.prefix + "analyses")) >= count

    async def versions() -> list[str]:
        found = await read_all(settings, settings.prefix + "analyses")
        return [json.loads(message.value)["model"] for message in found]

    async def swapped() -> bool:
        assert worker.alive(), worker.said()
        if new.version in await versions():
            return True
        # They go on arriving: a fast worker is through with the first ones before it has loaded.
        await send(made[:50])
        return False

    async def refused() -> bool:
        return "promotion refused" in worker.said()

    async def first() -> bool:
        return await analysed(200)

    try:
        await until(first, 90, "the first analyses")
        await announce(settings, new)
        await until(swapped, 60, "an analysis of the new version")
        broken = variant("broken-1")
        (broken / "model.onnx").write_bytes(b"not a graph")
        value = Promotion("broken-1-00000000", str(broken), "0" * 64, time.time())
        await send_all(settings, [Record("models", KEY, schemas.encode(value))], lambda _: None)
        await until(refused, 60, "the refusal in the log")
        await drained(settings, [worker], 120)
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    dead = await read_all(settings, settings.prefix + "dead-letters")
    counts = Counter(await versions())
    assert counts.keys() == {old.version, new.version}
    assert sum(counts.values()) + len(dead) == sent
    assert f"{new.version} serves on" in worker.said()
