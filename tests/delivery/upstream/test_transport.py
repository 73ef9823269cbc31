"""What becomes of a fetch: into inboxes or nowhere, and committed when it is acked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from stream_app.agents.worker import create_app
from stream_app.delivery.inbox import Inbox
from stream_app.messages.message import FILLER
from stream_app.settings import load

A, B, CHANGELOG = TP("p.reviews", 0), TP("p.analyses", 0), TP("app-subjects-changelog", 0)

FILLED = 100
"""From here on the fixture's records are an import's fillers, but for every tenth."""


class Fixture:
    """A consumer that is not connected; `fetched` is what its next fetch brings."""

    def __init__(self, data: Path) -> None:
        app = create_app(load(environ={}, prefix="p.", data_dir=str(data)))
        self.reviews, self.analyses = Inbox(2, 1000), Inbox(2, 1000)
        app.transport.inboxes.update({A.topic: self.reviews, B.topic: self.analyses})
        app.tables._changelogs[CHANGELOG.topic] = None
        self.consumer: Any = app.consumer
        for inbox in (self.reviews, self.analyses):
            inbox.source = self.consumer
        self.consumer._active_partitions = {A, B, CHANGELOG}
        self.consumer._open = self.consumer._sought = self.consumer.flow_active = True
        self.fetched: dict[TP, Sequence[int]] = {}
        self.moves_meanwhile = False
        self.consumer._thread.getmany = self._fetch

    async def _fetch(self, partitions: set[TP], timeout: float) -> dict[TP, list[ConsumerRecord]]:
        if self.moves_meanwhile:
            self.consumer.stop_flow()
            self.consumer._sought = True
            self.consumer.resume_flow()
        return {tp: [_record(tp, o) for o in found] for tp, found in self.fetched.items()}

    async def read(self, fetched: dict[TP, Sequence[int]]) -> list[tuple[TP, int]]:
        """Fetch; what goes Faust's way."""
        self.fetched = fetched
        return [(tp, message.offset) async for tp, message in self.consumer.getmany(1.0)]


def _record(tp: TP, offset: int) -> ConsumerRecord:
    key, value = (FILLER, None) if offset >= FILLED and offset % 10 else (b"k", b"v")
    return ConsumerRecord(
        tp.topic, tp.partition, offset, 1500, 0, key, value, None, 1, 1, (("h", b"x"),)
    )


@pytest.fixture
async def fixture(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path)


async def test_sources_go_to_their_inboxes_and_changelogs_to_faust(fixture: Fixture) -> None:
    assert await fixture.read({A: [0, 1], CHANGELOG: [7], B: [3]}) == [(CHANGELOG, 7)]
    first, _ = fixture.reviews.next_batch().messages
    assert first == ("reviews", 0, 0, b"k", b"v", (("h", b"x"),), 1.5)
    assert fixture.analyses.next_batch().offsets == {B: [3]}


async def test_a_full_inbox_holds_up_only_its_own_topics(fixture: Fixture) -> None:
    everything = {A, B, CHANGELOG}
    assert fixture.consumer._readable(everything) == (everything, False)
    await fixture.read({A: range(4)})
    assert fixture.consumer._readable(everything) == ({B, CHANGELOG}, True)
    fixture.reviews.next_batch()
    assert fixture.consumer._readable(everything) == (everything, False)


async def test_what_was_read_before_partitions_moved_is_forgotten(fixture: Fixture) -> None:
    await fixture.read({A: [0, 1]})
    fixture.moves_meanwhile = True
    assert await fixture.read({A: [2], CHANGELOG: [7]}) == []
    assert fixture.reviews.next_batch().messages == []


async def test_while_partitions_move_only_changelogs_are_read(fixture: Fixture) -> None:
    fixture.consumer.stop_flow()
    assert fixture.consumer._readable({A, B, CHANGELOG}) == ({CHANGELOG}, False)


async def test_commits_follow_acks_over_what_was_compacted_away(fixture: Fixture) -> None:
    await fixture.read({A: [0, 1]})
    await fixture.read({A: [5, 6]})
    batches = [fixture.reviews.next_batch() for _ in range(2)]
    assert fixture.consumer._new_offset(A) is None and len(fixture.consumer.unacked) == 2
    for batch, committed in zip(batches, (2, 7), strict=True):
        fixture.reviews.ack(batch)
        assert fixture.consumer._new_offset(A) == committed
    assert not fixture.consumer.unacked
    # Read again after a seek, what is behind the read offset is not taken twice.
    await fixture.read({A: [3, 7]})
    assert fixture.reviews.next_batch().offsets == {A: [7]}


async def test_fillers_are_no_messages_and_hold_no_commit_up(fixture: Fixture) -> None:
    await fixture.read({A: [99, 101, 102, 110]})
    batch = fixture.reviews.next_batch()
    assert [message.offset for message in batch.messages] == [99, 110]
    fixture.reviews.ack(batch)
    assert fixture.consumer._new_offset(A) == 111
