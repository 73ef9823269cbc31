"""What may happen to the machines. Each strike harms, and mends again what does not mend itself."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

from stream_app.commands.model.promote import announce
from stream_app.inference import signature
from stream_app.inference.bundle import Bundle, default_bundle, load, write_checksums
from tests.faults.scene import Scene, Worker
from tests.kafka.workers import until

Strike = Callable[[Scene], Awaitable[None]]
GRAPHS = Path(__file__).parents[1] / "inference" / "graphs"
DISK = 24
"""Mebibytes of the small disk."""
_numbers = count(1)


def _victim(scene: Scene) -> Worker:
    return scene.draw.choice(scene.workers)


async def kill(scene: Scene) -> None:
    """SIGKILL, and a new start."""
    victim = _victim(scene)
    victim.kill()
    victim.start()


async def term(scene: Scene) -> None:
    """SIGTERM, and a new start."""
    victim = _victim(scene)
    await asyncio.to_thread(victim.terminate)
    victim.start()


async def wipe(scene: Scene) -> None:
    """SIGKILL, and all local state is gone."""
    victim = _victim(scene)
    victim.kill()
    victim.delete_state()
    victim.start()


async def truncate(scene: Scene) -> None:
    """SIGKILL, and a file of RocksDB ends in the middle."""
    victim = _victim(scene)
    victim.kill()
    files = sorted(
        file
        for pattern in ("*.sst", "*.log", "MANIFEST-*", "CURRENT")
        for file in victim.data.rglob(pattern)
        if file.stat().st_size
    )
    file = scene.draw.choice(files)
    os.truncate(file, file.stat().st_size // 2)
    victim.start()


async def freeze(scene: Scene) -> None:
    """A worker stands still for longer than its session, then goes on as if nothing had been."""
    victim = _victim(scene)
    victim.freeze()
    await asyncio.sleep(scene.settings.session_timeout + scene.draw.uniform(2.0, 6.0))
    victim.thaw()


async def broker(scene: Scene) -> None:
    """SIGKILL of a node, the next one each time, so that every partition loses its leader."""
    node = scene.cluster.nodes[next(_numbers) % len(scene.cluster.nodes)]
    scene.cluster.kill(node)
    await asyncio.sleep(scene.draw.uniform(0.5, 8.0))
    await asyncio.to_thread(scene.cluster.start_node, node)


async def brokers(scene: Scene) -> None:
    """SIGKILL of all nodes at once."""
    nodes = scene.cluster.nodes
    await asyncio.to_thread(scene.cluster.kill, *nodes)
    await asyncio.to_thread(scene.cluster.start_node, *nodes)


async def storm(scene: Scene) -> None:
    """A third worker comes and goes every few seconds."""
    for number in range(3):
        await _started(scene.spare)
        await asyncio.sleep(scene.draw.uniform(0.0, 3.0))
        if number % 2:
            scene.spare.kill()
        else:
            await asyncio.to_thread(scene.spare.terminate)


async def foreign(scene: Scene) -> None:
    """A third worker with another profile tries to join: it refuses, and nothing changes."""
    worker = scene.foreign
    worker.start()
    worker.wanted = False  # no supervisor tries it twice

    async def ended() -> bool:
        return worker.ended() is not None

    await until(ended, 60, "the foreign worker ends")
    assert worker.ended() == 1, worker.said()
    assert "does not fit the group" in worker.said().splitlines()[-1]


def _bundle(scene: Scene, graph: Path | None = None) -> Bundle:
    """A signed bundle under a new name: the shipped weights, or another graph instead."""
    folder = scene.folder / f"bundle-{next(_numbers)}"
    shutil.copytree(default_bundle(), folder)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"student-1"', f'"{folder.name}"'))
    if graph is not None:
        shutil.copyfile(graph, folder / "model.onnx")
    write_checksums(folder)
    with signature.read_secret(scene.key) as secret:
        signature.sign(folder, secret)
    return load(folder)


async def swap(scene: Scene) -> None:
    """Another bundle is promoted: the same weights under another name."""
    await announce(scene.settings, _bundle(scene))


async def poison(scene: Scene) -> None:
    """A signed bundle is promoted whose graph loops for ever or eats all memory."""
    graph = scene.draw.choice(["endless", "greedy"])
    await announce(scene.settings, _bundle(scene, GRAPHS / f"{graph}.onnx"))


async def cut(scene: Scene) -> None:
    """A worker's network is gone, for less or for more than its session."""
    assert scene.network is not None
    victim = _victim(scene)
    scene.network.cut(victim.log.stem)
    await asyncio.sleep(scene.draw.choice([2.0, scene.settings.session_timeout + 5.0]))
    scene.network.mend(victim.log.stem)


async def disk(scene: Scene) -> None:
    """A third worker's disk is full for a while; the supervisor starts it again and again."""
    worker = scene.spare
    worker.data.mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs"]
    subprocess.run(["mount", *options, str(worker.data)], check=True)
    try:
        await _started(worker)
        with (worker.data / "ballast").open("wb") as ballast:
            _fill(ballast.fileno())
        before = len(worker.exits)

        async def died() -> bool:
            return len(worker.exits) > before

        await until(died, 60, "a worker with a full disk ends")
        (worker.data / "ballast").unlink()
        await asyncio.sleep(3.0)
        await asyncio.to_thread(worker.terminate)
    finally:
        worker.kill()
        subprocess.run(["umount", str(worker.data)], check=True)


def _fill(file: int) -> None:
    size = 1 << 20
    while size:
        try:
            os.write(file, b"x" * size)
        except OSError:
            size //= 2


async def _started(worker: Worker) -> None:
    """Start it, and wait until it opens a table: it has partitions."""
    begun = time.time()
    worker.start()

    async def opened() -> bool:
        return any(log.stat().st_mtime >= begun for log in worker.data.rglob("LOG"))

    await until(opened, 60, "the third worker has partitions")


def ill(fault: str) -> Strike:
    """A third worker whose model is slow, fails or crashes takes its share, and leaves."""

    async def strike(scene: Scene) -> None:
        os.environ |= {"FAULT": fault, "SEED": str(scene.draw.randrange(1 << 30))}
        worker = scene.ill
        await _started(worker)
        await asyncio.sleep(scene.draw.uniform(3.0, 6.0))
        await asyncio.to_thread(worker.terminate)

    strike.__doc__ = f"A third worker has a model that is {fault}."
    return strike


STRIKES: dict[str, Strike] = {
    "worker killed": kill,
    "worker stopped": term,
    "worker killed, state deleted": wipe,
    "worker killed, state truncated": truncate,
    "worker frozen": freeze,
    "broker killed": broker,
    "all brokers killed": brokers,
    "rebalance storm": storm,
    "foreign worker": foreign,
    "bundle swapped": swap,
    "bad bundle promoted": poison,
    "worker cut off": cut,
    "disk full": disk,
    "model slow": ill("slow"),
    "model failing": ill("failing"),
    "model crashing": ill("crashing"),
}
FAILING = "model failing"


def possible(scene: Scene) -> dict[str, Strike]:
    """The strikes that this machine allows."""
    found = dict(STRIKES)
    if scene.network is None:
        del found["worker cut off"]
    if os.geteuid() != 0 or shutil.which("mount") is None or not Path("/proc/mounts").exists():
        del found["disk full"]
    return found
