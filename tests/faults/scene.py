"""Three nodes of Apache Kafka, workers under a supervisor, visitors, and an oracle beside them."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from stream_app import profiles
from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.inference import signature
from stream_app.messages import topics
from stream_app.messages.message import Record
from stream_app.pipeline import build
from stream_app.replay import Replay
from stream_app.settings import Settings
from tests.faults.network import Network
from tests.faults.visitors import Visitors, message
from tests.faults.witness import Place, Witness
from tests.kafka.load import items
from tests.kafka.verdict import differences, interests_of, subjects_of, without_analyses
from tests.kafka.workers import WorkerProcess, drained

RATE = 12.0
"""Reviews a second, and as many behaviours."""
SECONDS = 8.0
"""How long a round's visitors come."""
PROMPT = 2.0
"""An input answered within these seconds was not delayed."""
RECOVERY = 150.0
"""Seconds within which everything must be committed again."""
REPAIR = 15.0
"""Seconds within which stale outputs must be replaced."""
REFUSED = b"refused by a model that fails"


class Outcome(NamedTuple):
    """What a round has shown."""

    strike: str
    inputs: int
    recovery: float
    """Seconds from the strike until the last delayed input was answered; 0: none was delayed."""
    repeated: int
    """Analyses that came again, under the id they had."""
    wrong: list[str]
    """Everything that is not as it must be."""


def profile(folder: Path) -> Path:
    """The shop's profile with windows of seconds instead of hours."""
    shop = Path(profiles.__file__).with_name("shop.toml")
    source = shop.read_text(encoding="utf-8")
    for old, new in (
        ("window_seconds = 3600", "window_seconds = 10"),
        ("lateness_seconds = 3600", "lateness_seconds = 90"),
        ('examples = "shop.jsonl"', f'examples = "{shop.with_suffix(".jsonl")}"'),
    ):
        assert old in source
        source = source.replace(old, new)
    path = folder / "profile.toml"
    path.write_text(source, encoding="utf-8")
    return path


class Worker(WorkerProcess):
    """A worker that a supervisor starts again, as Kubernetes would."""

    wanted = False
    exits: list[int]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exits = []

    def start(self) -> None:
        self.wanted = True
        super().start()

    def terminate(self) -> int:
        self.wanted = False
        return super().terminate()

    def kill(self) -> None:
        self.wanted = False
        super().kill()


class Scene:
    """All of it, and what happens in a round."""

    def __init__(
        self,
        cluster: KafkaCluster,
        settings: Settings,
        folder: Path,
        seed: int,
        network: Network | None,
    ) -> None:
        self.cluster = cluster
        self.key = folder / "bundles.key"
        self.settings = msgspec.structs.replace(
            settings,
            profile=str(profile(folder)),
            bundle_root=str(folder),
            bundle_key=signature.generate(self.key, ""),
        )
        self.folder = folder
        self.network = network
        self.draw = random.Random(seed)
        self.workers = [self.worker(name) for name in ("one", "two")]
        self.spare = self.worker("three")
        self.ill = self.worker("ill", "tests.faults.faulty")
        self.foreign = self.worker("foreign", profile="finance")
        self.healed: set[Place] = set()
        """Inputs that a failing model refused, and that were answered when they came again."""
        self._visitors = Visitors(seed)
        self._witness = Witness(self.settings)
        self._pipeline = build(self.settings)
        self._oracle = Replay(self._pipeline, self.settings.partitions)
        self._alerts: dict[str, dict[str, Any]] = {}
        self._trends: dict[str, dict[str, Any]] = {}

    def worker(self, name: str, module: str = "stream_app", **changed: str) -> Worker:
        """A worker, not started; `changed`: what of its settings is not the others'."""
        within = self.network.join(name) if self.network else []
        settings = msgspec.structs.replace(self.settings, **changed)
        return Worker(settings, self.folder, name, module, within)

    async def start(self) -> None:
        """Topics, catalogue, workers, the producer, the supervisor."""
        await administration.create(self.settings)
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.broker,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=120_000,
        )
        await self._producer.start()
        for item in items():
            await self._produce(item)
        for worker in self.workers:
            worker.start()
        self._supervisor = asyncio.create_task(self._supervise())
        await self._witness.start()
        await self._drained()

    async def stop(self) -> list[int]:
        """The exit codes of the workers' orderly end."""
        self._supervisor.cancel()
        try:
            codes = [worker.terminate() for worker in self.workers]
        finally:
            for worker in (*self.workers, self.spare, self.ill, self.foreign):
                if worker.alive():
                    worker.kill()
        await self._witness.stop()
        await self._producer.stop()
        return codes

    async def round(
        self, name: str, strike: Callable[["Scene"], Awaitable[None]], *, failing: bool = False
    ) -> Outcome:
        """Visitors come, something happens to the machines among them, everything settles."""
        repeated = self.repeated()["analyses"]
        coming = asyncio.create_task(self._visit(angry=self.draw.random() < 0.3))
        await asyncio.sleep(self.draw.uniform(1.0, 3.0))
        begun = time.time()
        await strike(self)
        await coming
        await self._drained()
        await self._witness.look()
        fresh = self._witness.fresh
        self._witness.fresh = []
        await asyncio.to_thread(self._follow, fresh, failing)
        # Outputs that a worker sent too late are sent again when the owner sees it.
        deadline = time.monotonic() + REPAIR
        while wrong := self._lost(fresh, failing) + await asyncio.to_thread(self._unequal):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(1.0)
            await self._witness.look()
        repeated = self.repeated()["analyses"] - repeated
        return Outcome(name, len(fresh), self._recovery(fresh, begun), repeated, wrong)

    def exits(self) -> dict[str, list[int]]:
        """Codes with which workers ended by themselves, by worker."""
        return {w.log.stem: w.exits for w in (*self.workers, self.spare, self.ill) if w.exits}

    def repeated(self) -> dict[str, int]:
        """How often outputs came again, and stale records of a table were passed over."""
        found = self._witness
        return {
            "analyses": sum(found.analysed.values()) - len(found.analysed),
            "dead_letters": sum(found.buried.values()) - len(found.buried),
            "alerts": found.alerts_sent - len(found.alerts),
            "stale_changelog_records": found.stale,
        }

    async def _visit(self, angry: bool) -> None:
        begun = time.monotonic()
        sent: list[asyncio.Future[Any]] = []
        came = list(self._visitors.come(int(RATE * SECONDS), angry))
        for number, (topic, key, value) in enumerate(came):
            due = begun + number / (2.5 * RATE)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            entry = message(topic, key, value, time.time() - self._visitors.moment())
            sent.append(asyncio.ensure_future(self._produce(entry)))
        await asyncio.gather(*sent)

    async def _produce(self, entry: Record) -> None:
        await self._producer.send_and_wait(
            topics.full_name(self.settings, entry.topic), entry.value, key=entry.key
        )

    async def _drained(self) -> None:
        said = [worker.said()[-600:] for worker in self.workers]
        # They may be down: the supervisor starts them again.
        await drained(self.settings, [], RECOVERY, f"{said}: all inputs")

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for worker in (*self.workers, self.spare, self.ill):
                if worker.wanted and (code := worker.ended()) is not None:
                    worker.exits.append(code)
                    worker.start()

    def _follow(self, fresh: Sequence[tuple[Place, Record]], failing: bool) -> None:
        """Let the oracle read the same inputs, in their partitions' order."""
        entries = []
        for where, entry in fresh:
            refused = failing and self._refused(where) and where not in self._witness.analysed
            entries.append(entry._replace(value=REFUSED) if refused else entry)
        for output in self._oracle.run(entries):
            if output.topic == "alerts":
                alert = msgspec.json.decode(output.value or b"")
                self._alerts[alert["id"]] = alert
            elif output.topic == "trends":
                self._trends[(output.key or b"").decode()] = msgspec.json.decode(
                    output.value or b""
                )

    def _refused(self, where: Place) -> bool:
        return "the model failed" in self._witness.dead.get(where, (0, ""))[1]

    def _lost(self, fresh: Sequence[tuple[Place, Record]], failing: bool) -> list[str]:
        """Inputs that are in no place, or in both. Whether a failing model fails is chance: an
        input that it refused and that is delivered again may be answered then."""
        wrong = []
        for where, _ in fresh:
            if where[0] == "items":
                continue
            dead = where in self._witness.dead
            if where[0] == "reviews":
                answered = where in self._witness.analysed
            else:
                value = self._witness.newest.get(self._witness.users[where], {"applied": {}})
                offset = value["applied"].get(f"{where[0]}/{where[1]}", -1)
                answered = offset >= where[2] and not dead
            if answered and failing and self._refused(where):
                self.healed.add(where)
            elif answered == dead:
                wrong.append(f"{where} {'in both places' if dead else 'lost'}")
        return wrong

    def _unequal(self) -> list[str]:
        """Where tables, trends and alerts differ from the oracle's."""
        found = self._witness
        interests = interests_of(found.tables["interests"])
        wrong = differences(interests, self._oracle.records("interests"), "interests")
        items = {
            key: value["item"]
            for key, value in self._oracle.records("catalogue").items()
            if "item" in value
        }
        # Whatever was removed is gone for every reader.
        wrong += differences(found.items, items, "items")
        subjects = subjects_of(self._pipeline, found.tables["subjects"])
        expected = self._oracle.records("subjects")
        without_analyses(subjects, expected)
        wrong += differences(subjects, expected, "subjects")
        trends = [
            {
                subject: {k: v for k, v in value.items() if k not in ("neighbours", "emerging")}
                for subject, value in all_trends.items()
            }
            for all_trends in (found.trends, self._trends)
        ]
        wrong += differences(trends[0], trends[1], "trends")
        wrong += [f"alert {one} only here" for one in found.alerts.keys() - self._alerts.keys()]
        wrong += [f"no alert {one}" for one in self._alerts.keys() - found.alerts.keys()]
        return wrong

    def _recovery(self, fresh: Sequence[tuple[Place, Record]], begun: float) -> float:
        last = begun
        for where, _ in fresh:
            if where[0] != "items" and (answered := self._witness.done(where)) is not None:
                sent = self._witness.inputs[where][0]
                if answered - sent > PROMPT:
                    last = max(last, answered)
        return last - begun
