"""A table's records as a batch finds them: what cannot be used is set aside.

A worker of another kind may have written into the table, or a disk, or a program that took the
topic for its own. Such a record must end no worker, now or at any restart. Its bytes go to the
dead letters, its key is begun anew, and what the batch makes of that takes its place. A record of
a later version is no such thing: it ends the worker, which would otherwise undo what the later one
knows.
"""

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import Message, Record, StateReader
from stream_app.schemas.state import Unusable
from stream_app.telemetry import metrics

log = logging.getLogger(__name__)

TOLD = 10
"""Kinds of unusable records of which the log tells; the metric counts all."""
Value = TypeVar("Value")


class Shelf(Generic[Value]):
    """How a table's records are read, for as long as the worker lives."""

    def __init__(
        self, table: str, changelog: str, stage: str, decode: Callable[[bytes], Value]
    ) -> None:
        """`changelog`: the topic that dead letters name as their origin. `decode` raises Unusable
        for what it cannot use."""
        self._table = table
        self._changelog = changelog
        self._stage = stage
        self._decode = decode
        self._told: set[str] = set()
        self._count = metrics.SET_ASIDE.labels(table)

    def open(self, read: StateReader, letters: list[Record]) -> "Batch[Value]":
        """The table within one batch, whose dead letters are `letters`."""
        return Batch(self, read, letters)

    def usable(
        self, partition: int, key: bytes, data: bytes, letters: list[Record]
    ) -> Value | None:
        """The record; None where it was set aside. Raises StateError for a later version's."""
        try:
            return self._decode(data)
        except Unusable as error:
            self._count.inc()
            self._tell(str(error))
            found = Message(self._changelog, partition, -1, key, data, (), time.time())
            letters.append(dead_letter(found, error, self._stage))
            return None

    def _tell(self, reason: str) -> None:
        if reason not in self._told and len(self._told) < TOLD:
            self._told.add(reason)
            log.error("%s; it is set aside to the dead letters, and its key is begun anew", reason)


class Batch(Generic[Value]):
    """A table as one batch finds it: each unusable record is set aside once."""

    def __init__(self, shelf: Shelf[Value], read: StateReader, letters: list[Record]) -> None:
        self._shelf = shelf
        self._read = read
        self._letters = letters
        self._unusable: set[tuple[int, bytes]] = set()

    def get(self, partition: int, key: bytes) -> Value | None:
        """The record of a key; None where there is none that can be used."""
        if (partition, key) in self._unusable or (data := self._read(partition, key)) is None:
            return None
        value = self._shelf.usable(partition, key, data, self._letters)
        if value is None:
            self._unusable.add((partition, key))
        return value

    def known(self, partition: int, key: bytes) -> bool:
        """Whether the table has anything of a key, usable or not."""
        return self._read(partition, key) is not None
