"""Faust's process, which ends in time."""

import logging
import os
import threading
from typing import Any

import faust
from mode import Service

from stream_app.delivery.upstream.names import require

log = logging.getLogger(__name__)


class Process(faust.Worker):  # type: ignore[misc]
    """Ends within a deadline once asked to. Faust's orderly stop can wait for ever, when
    partitions move at the same moment or the broker is gone; ending without it loses nothing,
    what is not acked comes again."""

    def __init__(self, app: faust.App, *services: Service, stop_seconds: float) -> None:
        """Runs the app, and before it the services. Raises UpstreamError."""
        require("process")
        super().__init__(app, *services, override_logging=False, redirect_stdouts=False)
        self._stop_seconds = stop_seconds

    def _schedule_shutdown(self, signal: Any) -> None:
        super()._schedule_shutdown(signal)
        deadline = threading.Timer(self._stop_seconds, self._give_up)
        deadline.daemon = True
        deadline.start()

    def _give_up(self) -> None:
        log.warning("not stopped in %g s: ended; what is not acked comes again", self._stop_seconds)
        logging.shutdown()
        os._exit(0)
