"""unmatched → what this worker knows of emerging topics, and reminders to tell of them."""

import asyncio
from collections.abc import Awaitable, Callable

from stream_app import schemas
from stream_app.agents import Worker
from stream_app.delivery.broadcast import Broadcast
from stream_app.emerging.discovered import SUBJECT
from stream_app.messages.message import Record
from stream_app.schemas import Signals

REMINDER = Record("signals", SUBJECT.encode(), schemas.encode(Signals(SUBJECT, "", [])))


def add(worker: Worker) -> tuple[Broadcast, Callable[[], Awaitable[None]]]:
    """The reader of the topic, and what to run beside it.

    A review's signal may be there before its text has been read back, and the last texts of a
    burst come while the topics are not computed again yet: a reminder has the trend sent again.
    """
    discovered = worker.pipeline.discovered

    async def remind() -> None:
        await worker.outbox.start()
        while True:
            await asyncio.sleep(discovered.seconds)
            if discovered.overdue():
                await worker.outbox.deliver([REMINDER])

    return Broadcast(worker.settings, "unmatched", discovered.put), remind
