"""The topics that emerge among the reviews that fit none, as one worker sees them.

Every worker keeps what the ring of `unmatched` holds; only the one that watches the subject
`emerging` clusters it, a little at a time. The clustering is not state: it is made again from the
ring, after a restart or where the subject moves to another worker.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from stream_app import schemas
from stream_app.emerging.clusters import Discovery, Rule
from stream_app.emerging.unmatched import SLOT_KEYS
from stream_app.inference.live import Live
from stream_app.inference.measures import Floats
from stream_app.messages.identity import hash64
from stream_app.messages.vectors import unpack
from stream_app.schemas import Emerging, Invalid, Unmatched
from stream_app.telemetry import metrics

log = logging.getLogger(__name__)

SUBJECT = "emerging"
MOST = 10
"""Topics in a trend: each has three example texts."""
BATCH = 100
"""Texts added at a clustering, a tenth of a millisecond each: of a fast stream a sample, as newer
ones replace those that wait."""
KNOWN = 2 * len(SLOT_KEYS)
"""Ids of added texts that are remembered."""


class Discovered:
    """Memory is bounded by the slots, by `KNOWN`, and by the bounds of `Discovery`."""

    def __init__(
        self,
        live: Live,
        rule: Rule | None = None,
        *,
        seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds` between two clusterings, by `clock`; in between the topics stay the same."""
        self.seconds = seconds
        self._live = live
        self._clock = clock
        self._nowhere = np.zeros(live.current.inference.dimensions, np.float32)
        self._discovery = Discovery(len(self._nowhere), rule)
        self._lock = threading.Lock()
        self._waiting: dict[bytes, bytes] = {}
        """Not yet added, by slot."""
        self._known: dict[int, None] = {}
        """Hashes of ids, oldest first."""
        self._last = -float("inf")
        self._topics: Sequence[Emerging] = ()
        self._requested = False
        """Whether the topics were asked for since `overdue` was last true."""

    def put(self, slot: bytes | None, value: bytes | None) -> None:
        """Keep a message of `unmatched`, from any thread; the last of its slot waits."""
        if slot in SLOT_KEYS and value is not None:
            with self._lock:
                self._waiting[slot] = value

    def topics(self) -> Sequence[Emerging]:
        """The topics, heaviest first. To be called from one thread."""
        with self._lock:
            self._requested = True
            if not self._waiting or self._clock() < self._last + self.seconds:
                return self._topics
            # Those that wait longest.
            values = [self._waiting.pop(slot) for slot in list(self._waiting)[:BATCH]]
        self._last = self._clock()
        texts = self._readable(values)
        for text in sorted(texts, key=lambda text: (text.entry.time, text.entry.id)):
            self._add(text)
        found = self._discovery.emerging(self._live.current.topics.vectors)
        self._topics = [
            Emerging(t.words, t.size, t.weight, t.examples, t.first, t.last) for t in found[:MOST]
        ]
        return self._topics

    def overdue(self) -> bool:
        """Whether texts wait that the next call of `topics` would add: true once after each call.

        A worker that no longer watches the subject calls `topics` no more, and so is not overdue
        for ever.
        """
        with self._lock:
            overdue = self._requested and bool(self._waiting)
            self._requested = self._requested and not overdue
            return overdue

    def _readable(self, values: Sequence[bytes]) -> list["_Text"]:
        texts = []
        reasons = []
        for value in values:
            try:
                entry = schemas.decode(value, Unmatched)
                vector = self._nowhere
                if entry.vector is not None:
                    vector = unpack(entry.vector, len(vector))
            except Invalid as reason:
                # Another length is another model's, from before the settings named this one.
                reasons.append(reason)
            else:
                texts.append(_Text(entry, vector))
        if reasons:
            metrics.UNREADABLE.labels("unmatched").inc(len(reasons))
            log.warning("%d texts that fit no topic are passed over: %s", len(reasons), reasons[-1])
        return texts

    def _add(self, text: "_Text") -> None:
        entry, vector = text
        key = hash64(entry.id)
        if key in self._known:
            return
        self._known[key] = None
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]
        known = entry.vector is None
        self._discovery.add(entry.text, vector, entry.time, known=known)


class _Text(NamedTuple):
    entry: Unmatched
    vector: Floats
