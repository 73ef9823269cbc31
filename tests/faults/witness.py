"""Everything that is on the broker, read on from where the last look ended."""

import json
from collections import Counter, defaultdict
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from stream_app.delivery.ownership import CLAIM_KEY, token
from stream_app.messages.dead_letter import error_headers, origin
from stream_app.messages.message import Record
from stream_app.messages.topics import INPUTS, LARGE, OUTPUTS, TABLES, changelog, full_name
from stream_app.settings import Settings

WATCHED = (*OUTPUTS, "item-vectors")
Place = tuple[str, int, int]
"""Topic, partition and offset."""


class Witness:
    """What came in and what came of it. Times are seconds since the epoch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = {full_name(settings, name): name for name in (*INPUTS, *WATCHED)}
        self._names |= {changelog(settings, table.name): table.name for table in TABLES}
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.broker, max_partition_fetch_bytes=LARGE
        )
        self._tokens: dict[tuple[str, int], int] = {}
        self._applied: dict[str, list[tuple[float, dict[str, int]]]] = defaultdict(list)
        self.inputs: dict[Place, tuple[float, Record]] = {}
        self.fresh: list[tuple[Place, Record]] = []
        """Inputs since they were last taken."""
        self.analysed: Counter[Place] = Counter()
        self.dead: dict[Place, tuple[float, str]] = {}
        self.buried: Counter[Place] = Counter()
        self.users: dict[Place, str] = {}
        self.alerts: dict[str, dict[str, Any]] = {}
        self.alerts_sent = 0
        self.trends: dict[str, dict[str, Any]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        """The newest of `item-vectors`."""
        self.newest: dict[str, dict[str, Any]] = {}
        """Each user's newest recommendations."""
        self.tables: dict[str, dict[str, bytes]] = {table.name: {} for table in TABLES}
        self.stale = 0
        """Records of workers that owned their partition no more."""

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()
        partitions = [
            TopicPartition(name, p)
            for name in self._names
            for p in range(self._settings.partitions)
        ]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def look(self) -> None:
        """Read until where everything ends now."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        while any([await self._consumer.position(tp) < end for tp, end in ends.items()]):
            for found in (await self._consumer.getmany(timeout_ms=200)).values():
                for record in found:
                    self._take(self._names[record.topic], record)

    def done(self, where: Place) -> float | None:
        """When an input was first seen in its user's recommendations, or in the dead letters."""
        if where in self.dead:
            return self.dead[where][0]
        source = f"{where[0]}/{where[1]}"
        times = self._applied[self.users[where]]
        return next((time for time, applied in times if applied.get(source, -1) >= where[2]), None)

    def _take(self, name: str, record: ConsumerRecord) -> None:
        time = record.timestamp / 1000
        where = (name, record.partition, record.offset)
        if name in INPUTS:
            entry = Record(name, record.key, record.value)
            self.inputs[where] = (time, entry)
            self.fresh.append((where, entry))
            if name == "behaviours":
                self.users[where] = record.key.decode()
        elif name in self.tables:
            self._keep(name, record)
        elif name == "dead-letters":
            where = origin(record.headers)
            self.buried[where] += 1
            self.dead[where] = (time, error_headers(record.headers)["exception.message"])
        elif record.value is None:
            assert name == "item-vectors", f"{name} has a tombstone"
            self.items.pop(record.key.decode(), None)
        else:
            self._output(name, record.key.decode(), time, json.loads(record.value))

    def _output(self, name: str, key: str, time: float, value: dict[str, Any]) -> None:
        if name == "analyses":
            source = value["source"]
            origin = (source["topic"], source["partition"], source["offset"])
            self.analysed[origin] += 1
            self.users[origin] = value["user_id"]
        elif name == "recommendations":
            self.newest[key] = value
            self._applied[key].append((time, value["applied"]))
        elif name == "alerts":
            self.alerts_sent += 1
            self.alerts[value["id"]] = value
        elif name == "trends":
            self.trends[key] = value
        elif name == "item-vectors":
            self.items[key] = value["item"]

    def _keep(self, table: str, record: ConsumerRecord) -> None:
        its, owner = token(record.headers), (table, record.partition)
        if its < self._tokens.get(owner, 0):
            self.stale += 1
            return
        self._tokens[owner] = its
        if record.key == CLAIM_KEY:
            return
        if record.value is None:
            self.tables[table].pop(record.key.decode(), None)
        else:
            self.tables[table][record.key.decode()] = record.value
