"""Faust's consumer with its mends: what is skipped or stale is neither acked nor handed on."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from faust.types.tuples import ConsumerMessage

from stream_app.app import create_app
from stream_app.settings import Settings

REVIEWS = TP("reviews", 0)


def consumer() -> Any:
    """Faust's own, of an app that is not started, with one partition that may be read."""
    app = create_app(Settings())
    app.topics._acking_topics.add(REVIEWS.topic)
    made: Any = app.consumer
    made._committed_offset[REVIEWS] = None
    made._active_partitions = {REVIEWS}
    made._open = made._sought = True
    made.flow_active = True
    return made


def message(offset: int) -> ConsumerMessage:
    return ConsumerMessage(REVIEWS.topic, 0, offset, 0.0, 0, None, None, b"{}", None, tp=REVIEWS)


async def test_only_what_a_stream_took_up_is_acked() -> None:
    reads = consumer()
    taken, skipped = message(0), message(1)
    taken.tracked = True
    assert reads.ack(taken)
    assert not reads.ack(skipped)
    assert reads._new_offset(REVIEWS) == 1


def record(offset: int) -> Any:
    return SimpleNamespace(
        topic=REVIEWS.topic, partition=0, offset=offset, timestamp=0, timestamp_type=0,
        headers=(), key=None, value=b"{}", checksum=None,
        serialized_key_size=0, serialized_value_size=2,
    )  # fmt: skip


async def handed_on(meanwhile: Callable[[Any], Awaitable[None]]) -> list[int]:
    """The offsets handed on of a fetch of three while something happens."""
    reads = consumer()

    async def getmany(partitions: set[TP] | None, timeout: float) -> dict[TP, list[Any]]:
        await meanwhile(reads)
        return {REVIEWS: [record(offset) for offset in range(3)]}

    reads._thread.getmany = getmany
    return [taken.offset async for _, taken in reads.getmany(1.0)]


async def test_what_was_fetched_before_partitions_moved_is_not_handed_on() -> None:
    async def moved(reads: Any) -> None:
        reads.stop_flow()
        reads._sought = True
        reads.resume_flow()

    assert await handed_on(moved) == []
    assert await handed_on(lambda _: asyncio.sleep(0)) == [0, 1, 2]
