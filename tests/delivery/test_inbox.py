"""An inbox: bounded batches, full in time, nothing left of what is forgotten."""

import asyncio

from stream_app.delivery.inbox import Batch, Inbox
from stream_app.messages.message import Message


class Noted:
    """A reader that notes what is taken and what is acked."""

    def __init__(self) -> None:
        self.flying: list[Batch] = []

    def on_taken(self, batch: Batch) -> None:
        self.flying.append(batch)

    def on_acked(self, batch: Batch) -> None:
        self.flying.remove(batch)


def inbox(rows: int, size: int, *sizes: int) -> tuple[Inbox, Noted]:
    """Filled with messages of two partitions in turn."""
    made, reader = Inbox(rows, size), Noted()
    made.source = reader
    for number, length in enumerate(sizes):
        name, offset = "ab"[number % 2], number // 2
        made.put(name, Message("t", 0, offset, None, b"", (), 0.0), length)
    return made, reader


def test_a_batch_is_bounded_and_knows_its_offsets() -> None:
    full, _ = inbox(3, 100, 10, 10, 10, 95, 10, 500)
    assert [full.next_batch().offsets for _ in range(4)] == [
        {"a": [0, 1], "b": [0]}, {"b": [1]}, {"a": [2]}, {"b": [2]},
    ]  # fmt: skip
    assert full.next_batch().messages == []


def test_it_is_full_by_rows_or_bytes_until_there_is_room() -> None:
    for full in (inbox(2, 1000, *[1] * 4)[0], inbox(100, 10, 5, 15)[0]):
        assert full.full
        full.next_batch()
        assert not full.full


def test_what_flies_is_held_until_it_is_acked_or_let_go() -> None:
    filled, reader = inbox(2, 1000, 7, 8, 9, 10)
    first, second = filled.next_batch(), filled.next_batch()
    assert filled.held == 34
    filled.ack(first)
    assert filled.held == 19 and reader.flying == [second]
    # The agent was cancelled: nobody works on it any more.
    reader.flying.clear()
    del second
    assert filled.held == 0


async def test_what_is_forgotten_is_not_taken() -> None:
    cleared, reader = inbox(2, 1000, 7, 8)
    cleared.clear()
    assert cleared.held == 0 and not await cleared.arrival(0.01)
    assert cleared.next_batch().messages == [] and not reader.flying

    async def come() -> None:
        cleared.put("a", Message("t", 0, 5, None, b"", (), 0.0), 1)

    # In this order: somebody waits already when it comes.
    arrived, _ = await asyncio.gather(cleared.arrival(10), come())
    assert arrived and cleared.next_batch().offsets == {"a": [5]}
