"""Is a worker ready, and if not, why: decided from what is known of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import faust

from stream_app.delivery.broadcast import Broadcast
from stream_app.delivery.upstream.assignment import restored
from stream_app.inference.live import Live
from stream_app.ops.progress import Partition, Progress

STALLED = 60.0
"""Seconds without a commit, while the lag grows, until a partition counts as stalled."""
SILENT = 30.0
"""Seconds until a broker that tells no offsets counts as silent."""


class View(NamedTuple):
    """What is known of a worker."""

    restored: bool
    """Partitions are assigned and their tables restored."""
    unread: Sequence[str]
    """Topics that it must have read to their end before it is ready, and has not yet."""
    partitions: Mapping[Any, Partition]
    """By (topic, partition)."""
    checked_at: float
    """When the partitions were seen."""
    awaited: str = ""
    """What the first batch waits for."""


def view(app: faust.App, broadcasts: Sequence[Broadcast], progress: Progress, live: Live) -> View:
    """What is known of this process."""
    unread = [broadcast.topic for broadcast in broadcasts if not broadcast.ready.is_set()]
    return View(restored(app), unread, progress.partitions, progress.checked_at, live.awaited)


def reasons(view: View, now: float) -> list[str]:
    """Why a worker is not ready; none: it is."""
    found = []
    if not view.restored:
        found.append("partitions are being assigned or tables restored")
    if view.unread:
        found.append(f"not read to the end yet: {', '.join(view.unread)}")
    if view.awaited:
        found.append(view.awaited)
    if now - view.checked_at > SILENT:
        found.append(f"no offsets from the broker for {now - view.checked_at:.0f} s")
    found.extend(
        f"{topic}/{number}: nothing committed for {now - partition.since:.0f} s, "
        f"{partition.lag} messages wait and more come"
        for (topic, number), partition in sorted(view.partitions.items())
        if stalled(partition, now)
    )
    return found


def stalled(partition: Partition, now: float) -> bool:
    """Whether commits have stopped while the lag grows."""
    return (
        now - partition.since >= STALLED
        and partition.lag > 0
        and partition.end > partition.end_then
    )
