"""Two workers that both believe a partition is theirs: one record of each key is right."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from stream_app.agents.worker import create_app
from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.outbox import Outbox
from stream_app.delivery.ownership import Fenced
from stream_app.delivery.table import StateTable
from stream_app.messages import topics
from stream_app.messages.message import State
from stream_app.settings import Settings
from tests.kafka.workers import newest, read_all, settings_for, table

NAME = "interests"


class Holder:
    """A worker's table of one partition, restored like Faust does it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = msgspec.structs.replace(settings, data_dir=str(folder))
        self._outbox = Outbox(self._settings)
        app = create_app(self._settings)
        self.table = StateTable(app, self._settings, self._outbox, NAME)

    async def recover(self) -> None:
        """Read on in the changelog from where the disk ends."""
        await self._outbox.start()
        store = self.table._store
        changelog = topics.changelog(self._settings, NAME)
        records = [r for r in await read_all(self._settings, changelog) if r.partition == 0]
        if fresh := [r for r in records if r.offset >= store.next_offset(0)]:
            store.apply(0, fresh)

    async def claim(self) -> None:
        await self.table.claim([0])

    async def take_over(self) -> None:
        """As a worker does that is given the partition."""
        await self.recover()
        await self.claim()

    def lose(self) -> None:
        """The partition moves away, and its database is closed."""
        self.table._store._dbs.pop(0).close()

    async def write(self, key: bytes, value: bytes | None) -> None:
        await self.table.store([State(0, key, value)])

    async def stop(self) -> None:
        await self._outbox.stop()


Hold = Callable[..., list[Holder]]
"""Makes holders of an app's table, each with a disk of its own."""


@pytest.fixture
async def hold(tmp_path: Path) -> AsyncIterator[Hold]:
    made: list[Holder] = []

    def make(settings: Settings, *names: str) -> list[Holder]:
        new = [Holder(settings, tmp_path / name) for name in names]
        made.extend(new)
        return new

    yield make
    for holder in made:
        await holder.stop()


async def test_the_late_write_of_a_frozen_worker_changes_nothing(
    kafka: KafkaCluster, hold: Hold
) -> None:
    settings = settings_for(kafka, "owners")
    await administration.create(settings)
    frozen, owner, late = hold(settings, "frozen", "owner", "late")
    await frozen.take_over()
    await frozen.write(b"user", b"1 event")
    await owner.take_over()
    await owner.write(b"user", b"3 events")
    with pytest.raises(Fenced):
        await frozen.write(b"user", b"2 events")
    # The changelog has the stale record, nobody's disk has it.
    assert (await newest(settings, topics.changelog(settings, NAME)))["user"] == b"2 events"
    assert frozen.table.read(0, b"user") == b"1 event"
    await frozen.recover()
    await late.recover()
    for holder in (frozen, owner, late):
        assert holder.table.read(0, b"user") == b"3 events"
    assert await table(settings, NAME) == {"user": b"3 events"}
    # The owner is told, until it has written it again: compaction may now keep the newest alone.
    assert await owner.table.check_changelog()
    assert owner.table.overwritten() == [(0, b"user")]
    await owner.write(b"user", b"3 events")
    assert not await owner.table.check_changelog()
    assert (await newest(settings, topics.changelog(settings, NAME)))["user"] == b"3 events"


async def test_of_two_claims_the_first_holds(kafka: KafkaCluster, hold: Hold) -> None:
    """A worker that was frozen just before its claim makes it late."""
    settings = settings_for(kafka, "claims")
    await administration.create(settings)
    first, second = hold(settings, "first", "second")
    await first.recover()
    await second.recover()
    await first.claim()
    await first.write(b"user", b"1 event")
    with pytest.raises(Fenced):
        await second.claim()
    # It ends; its successor recovers, and takes over.
    await second.take_over()
    assert second.table.read(0, b"user") == b"1 event"
    with pytest.raises(Fenced):
        await first.write(b"user", b"2 events")


async def test_what_was_overwritten_is_known_until_it_is_written_again(
    kafka: KafkaCluster, hold: Hold
) -> None:
    """Neither the end of the worker nor a refresh that was cancelled forgets it."""
    settings = settings_for(kafka, "overwritten")
    await administration.create(settings)
    frozen, owner = hold(settings, "frozen", "owner")
    await frozen.take_over()
    await frozen.write(b"user", b"1 event")
    await owner.take_over()
    await owner.write(b"user", b"3 events")
    for key in (b"user", b"unknown"):
        with pytest.raises(Fenced):
            await frozen.write(key, b"2 events")
    await owner.write(b"other", b"1 event")  # what shows the gap, and passes over it
    both = [(0, b"unknown"), (0, b"user")]
    for _ in range(2):
        assert owner.table.overwritten() == both
    owner.lose()
    await owner.take_over()
    assert owner.table.overwritten() == both
    await owner.write(b"user", b"3 events")
    # The owner has never had a state of it, and says so.
    await owner.write(b"unknown", None)
    assert owner.table.overwritten() == []
    assert await table(settings, NAME) == {"user": b"3 events", "other": b"1 event"}
    owner.lose()
    await owner.take_over()
    assert owner.table.overwritten() == []


async def test_a_claim_brings_what_recovery_left_out(kafka: KafkaCluster, hold: Hold) -> None:
    settings = settings_for(kafka, "early")
    await administration.create(settings)
    before, after = hold(settings, "before", "after")
    await before.take_over()
    await before.write(b"user", b"1 event")
    await after.recover()
    await before.write(b"user", b"2 events")
    await before.write(b"other", b"1 event")
    await after.table.claim([0])
    assert after.table.read(0, b"user") == b"2 events"
    assert after.table.read(0, b"other") == b"1 event"


async def test_a_partition_that_comes_back_is_claimed_anew(kafka: KafkaCluster, hold: Hold) -> None:
    """Recovery may end before it has told that the partition was another's meanwhile."""
    settings = settings_for(kafka, "back")
    await administration.create(settings)
    first, second = hold(settings, "first", "second")
    await first.take_over()
    await first.write(b"user", b"1 event")
    first.lose()
    await second.take_over()
    await second.write(b"user", b"2 events")
    second.lose()
    with pytest.raises(Fenced):
        await first.claim()
    await first.recover()
    with pytest.raises(Fenced):  # a delivery that had begun before the partition moved
        await first.write(b"user", b"late")
    assert not await first.table.check_changelog()  # not its own yet
    await first.claim()
    assert first.table.read(0, b"user") == b"2 events"
    await first.write(b"user", b"3 events")
