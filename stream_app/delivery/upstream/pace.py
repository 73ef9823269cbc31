"""How a fetch is answered: at once where little comes, gathered where much does.

A broker that is asked for at least one byte answers as soon as one message is there. Under a steady
load that is a fetch for every message or two, at the cost of worker and broker. So while fetches
bring something in quick succession the broker is asked to wait for `ENOUGH`, `GATHER_MS` at most.
A message that comes alone is not held up.
"""

from time import monotonic
from typing import Any

from stream_app.delivery.upstream.names import require

ENOUGH = 16_384
"""Bytes, of all partitions of a fetch."""
GATHER_MS = 50
CLOSE = 2 * GATHER_MS / 1000
"""Seconds within which two fetches that bring something are in quick succession."""


class Pace:
    """Of one consumer, in its own event loop."""

    def __init__(self, consumer: Any) -> None:
        """Raises UpstreamError."""
        require("pace")
        self._consumer = consumer
        self._patient = consumer._fetch_max_wait_ms
        self._last = -CLOSE

    def observe(self, brought: bool) -> None:
        """A reading has ended, and whether it brought anything."""
        now = monotonic()
        busy = brought and now - self._last < CLOSE
        if brought:
            self._last = now
        fetcher = self._consumer._fetcher  # there once the consumer has started
        fetcher._fetch_min_bytes = ENOUGH if busy else 1
        fetcher._fetch_max_wait_ms = min(GATHER_MS, self._patient) if busy else self._patient
