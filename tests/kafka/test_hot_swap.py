"""Bundles promoted while reviews arrive: nothing lost, both good versions are seen, and those that
are broken, endless or greedy are refused by workers that go on, ready all the while."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession

from stream_app import schemas
from stream_app.broker.kafka import KafkaCluster
from stream_app.broker.process import free_ports
from stream_app.commands.model.promote import announce
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.inference import signature
from stream_app.inference.bundle import Bundle, default_bundle, load, write_checksums
from stream_app.inference.promotion import KEY
from stream_app.messages.message import Record
from stream_app.schemas import Promotion
from tests.kafka.load import events
from tests.kafka.workers import WorkerProcess, drained, read_all, settings_for, until

GRAPHS = Path(__file__).parents[1] / "inference" / "graphs"


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_bundle_is_swapped_under_load(
    kafka: KafkaCluster, tmp_path: Path, variant: Callable[..., Path]
) -> None:
    secret, (port,) = tmp_path / "bundles.key", free_ports(1)
    settings = msgspec.structs.replace(
        settings_for(kafka, "swap"), bundle_root=str(tmp_path), http_port=port,
        bundle_key=signature.generate(secret, ""), bundle_seconds=15.0,
    )  # fmt: skip
    await administration.create(settings)
    made = [record for record in events(800, until=time.time()) if record.topic == "reviews"]
    sent = 0

    def bundle(name: str, graph: str = "") -> Bundle:
        path = variant(name)
        if graph:
            shutil.copyfile(GRAPHS / f"{graph}.onnx", path / "model.onnx")
            write_checksums(path)
        with signature.read_secret(secret) as opened:
            signature.sign(path, opened)
        return load(path)

    async def send(records: list[Record]) -> None:
        nonlocal sent
        await send_all(settings, records, lambda _: None)
        sent += len(records)

    await send(made)
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    old, new = load(default_bundle()), bundle("next-1")

    async def versions() -> list[str]:
        found = await read_all(settings, settings.prefix + "analyses")
        return [json.loads(message.value)["model"] for message in found]

    async def first() -> bool:
        assert worker.alive(), worker.said()
        return len(await versions()) >= 200

    async def swapped() -> bool:
        assert worker.alive(), worker.said()
        if new.version in await versions():
            return True
        # They go on arriving: a fast worker is through with the first ones before it has loaded.
        await send(made[:50])
        return False

    async def state() -> tuple[int, str]:
        """What the page says; nothing while the worker starts."""
        page = f"http://127.0.0.1:{port}/health/ready"
        try:
            async with ClientSession() as session, session.get(page) as answer:
                return answer.status, await answer.text()
        except OSError:
            return 0, ""

    async def ready() -> bool:
        return (await state())[0] == 200

    async def fallen_back() -> bool:
        return "the last good one" in (await state())[1] and await ready()

    async def refused(said: str, name: str) -> None:
        """Until it is refused; meanwhile all that is sent is analysed, and the worker is ready."""

        async def told() -> bool:
            assert worker.alive(), worker.said()
            assert (await state())[0] == 200
            before = len(await versions())
            await send(made[:20])
            # Analysed while the bundle is being tried.
            await until(lambda: grown(before), 120, "analyses go on")
            return name in (await state())[1]

        async def grown(before: int) -> bool:
            return len(await versions()) > before

        await until(told, 240, f"the refusal of {name}")
        assert f"({said})" in (await state())[1]

    try:
        await until(first, 240, "the first analyses")
        await announce(settings, new)
        await until(swapped, 240, "an analysis of the new version")
        await drained(settings, [worker], 240)
        await until(ready, 120, "readiness")
        for graph in ("endless", "greedy"):
            await announce(settings, bundle(f"{graph}-1", graph))
            await refused("trial", f"{graph}-1")
        broken = Promotion("broken-1-00000000", "0" * 64, time.time(), name="broken-1")
        await send_all(settings, [Record("models", KEY, schemas.encode(broken))], lambda _: None)
        await refused("folder", "broken-1")
        # Started anew it serves the last good one, though the newest is refused.
        assert worker.terminate() == 0
        worker.start()
        await until(fallen_back, 240, "the last good bundle")
        await send(made[:50])
        await drained(settings, [worker], 240)
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    dead = await read_all(settings, settings.prefix + "dead-letters")
    counts = Counter(await versions())
    assert counts.keys() == {old.version, new.version}
    assert sum(counts.values()) + len(dead) == sent
    assert f"{new.version} serves on" in worker.log.read_text()
