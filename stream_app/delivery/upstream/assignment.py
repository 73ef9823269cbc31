"""What Faust knows of this worker's partitions, for those who watch it."""

from typing import Any

import faust

from stream_app.delivery.upstream.names import require


def restored(app: faust.App) -> bool:
    """Whether partitions are assigned, be it none, and their tables restored."""
    return bool(app.tables.recovery.completed.is_set() and not app.rebalancing)


class Assignment:
    """The source partitions that the group has given to this worker."""

    def __init__(self, app: faust.App) -> None:
        """Raises UpstreamError."""
        require("assignment")
        self._app = app

    def committed(self) -> dict[Any, int | None]:
        """By partition (topic, number) the offset that the group goes on from; None where it has
        committed nothing. Empty while partitions move or tables are restored."""
        if not restored(self._app):
            return {}
        consumer: Any = self._app.consumer
        sources = (tp for tp in consumer.assignment() if not consumer._is_changelog_tp(tp))
        return {tp: consumer._committed_offset[tp] for tp in sources}
