"""What this worker has tried to serve, on disk: an end during a load is known after it."""

import os
from pathlib import Path
from threading import RLock

import msgspec
from msgspec import Struct

from stream_app.schemas import Promotion

FILE = "bundles.json"
ENDS = 2
"""Ends of the process during loads of one announcement, until it is not loaded again."""
GOOD = 2
"""Bundles to fall back to."""
KEPT = 8
"""Announcements that are remembered."""


class Announced(Struct, frozen=True):
    """Which bundle, and which announcement of it: announced again, it is tried again."""

    name: str
    version: str
    sha256: str
    time: float


class _Attempt(Struct):
    announced: Announced
    ends: int = 0
    """Loads that were begun and not finished."""
    failed: str = ""
    """Why the trial failed; it would again."""


class _State(Struct):
    good: list[Announced] = []
    attempts: list[_Attempt] = []


class Attempts:
    """The file `bundles.json` of a worker's data folder; written before a load and after it.

    All methods may be called from any thread.
    """

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FILE
        self._lock = RLock()
        try:
            self._state = msgspec.json.decode(self._file.read_bytes(), type=_State)
        except (FileNotFoundError, msgspec.DecodeError):
            # Half a file is of a machine that lost its power: then nothing is known.
            self._state = _State()

    @property
    def good(self) -> list[Announced]:
        """The last announced bundles that this worker has served, the newest first."""
        return self._state.good

    def failure(self, announced: Announced) -> str:
        """Why it failed before; empty: it did not."""
        return next((a.failed for a in self._state.attempts if a.announced == announced), "")

    def ends(self, announced: Announced) -> int:
        """How often the process has ended while it loaded that."""
        return next((a.ends for a in self._state.attempts if a.announced == announced), 0)

    def begun(self, announced: Announced) -> None:
        """A load begins: should the process end now, it counts."""
        with self._lock:
            self._at(announced).ends += 1
            self._write()

    def survived(self, announced: Announced) -> None:
        """The load is over, or was given up by an orderly stop; whatever came of it."""
        with self._lock:
            self._state.attempts = [a for a in self._state.attempts if a.announced != announced]
            self._write()

    def failed(self, announced: Announced, why: str) -> None:
        """Its trial has failed, and is not made again."""
        with self._lock:
            self.survived(announced)
            self._at(announced).failed = why
            self._write()

    def served(self, announced: Announced) -> None:
        """It serves: the last good one from now on."""
        with self._lock:
            others = [each for each in self._state.good if each.sha256 != announced.sha256]
            self._state.good = [announced, *others][:GOOD]
            self.survived(announced)

    def _at(self, announced: Announced) -> _Attempt:
        for attempt in self._state.attempts:
            if attempt.announced == announced:
                return attempt
        attempt = _Attempt(announced)
        self._state.attempts = [*self._state.attempts, attempt][-KEPT:]
        return attempt

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        with new.open("wb") as stream:
            stream.write(msgspec.json.encode(self._state))
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self._file)


def of(promotion: Promotion, name: str) -> Announced:
    """What is remembered of a promotion of the folder of that name."""
    return Announced(name, promotion.version, promotion.sha256, promotion.time)
