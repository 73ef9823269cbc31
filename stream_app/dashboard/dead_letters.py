"""Dead letters by reason. Only headers are read, never the key and value of what failed."""

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from stream_app.messages.dead_letter import error_headers
from stream_app.messages.message import Headers
from stream_app.text.mask import Masker

GROUPS = 100
_NUMBER = re.compile(r"(?<![\w-])\d+(?:[.,]\d+)*")


class Cause(NamedTuple):
    """Why messages became dead letters, and in which stage and topic."""

    reason: str
    """Masked, numbers left out: those that differ by a position only are one."""
    stage: str
    topic: str


OTHER = Cause("other", "", "")


class DeadLetters:
    """Counts of each cause, GROUPS of them at most."""

    def __init__(self, masker: Masker) -> None:
        self.total = 0
        self._causes: Counter[Cause] = Counter()
        # Reasons name fields and positions only; a writer other than ours might not know.
        self._shown = lru_cache(1024)(lambda r: _NUMBER.sub("N", masker.mask(r).text))

    def add(self, headers: Headers) -> str:
        """Count a dead letter; its reason as it may be shown."""
        said = error_headers(headers)
        reason = self._shown(said.get("exception.message", "")) or "unknown"
        cause = Cause(reason, said.get("stage", ""), said.get("topic", ""))
        if cause not in self._causes and len(self._causes) >= GROUPS:
            cause = OTHER
        self._causes[cause] += 1
        self.total += 1
        return cause.reason

    def causes(self) -> list[tuple[Cause, int]]:
        """Each cause and its number of dead letters, most first."""
        return sorted(self._causes.items(), key=lambda entry: (-entry[1], entry[0]))
