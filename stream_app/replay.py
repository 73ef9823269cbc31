"""The flow without Kafka: the same processors over a file, in one process and one order.

Since updates commute, the state at the end is the one that any live run must reach: the oracle
of the tests.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any, NamedTuple

from stream_app import schemas
from stream_app.interests import record
from stream_app.messages.identity import partition
from stream_app.messages.message import Headers, Message, Record, Result
from stream_app.pipeline import Pipeline
from stream_app.schemas import ItemVector, Trend
from stream_app.subjects import record as subject

BATCH = 512


class Output(NamedTuple):
    """A message that would have been sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class Replay:
    """Feeds messages through a pipeline; keeps the tables in memory."""

    def __init__(self, pipeline: Pipeline, partitions: int) -> None:
        self._pipeline = pipeline
        self._partitions = partitions
        self._offsets: dict[tuple[str, int], Iterator[int]] = defaultdict(count)
        self._round = count()
        self._tables: dict[str, dict[tuple[int, bytes], bytes]] = {
            "interests": {},
            "subjects": {},
        }

    def run(self, messages: Iterable[Record]) -> Iterator[Output]:
        """All outputs, batch by batch. Inputs: topics reviews, behaviours and items."""
        pending = iter(messages)
        while batch := list(islice(pending, BATCH)):
            yield from self._batch(batch)

    def interests(self) -> dict[str, dict[str, Any]]:
        """The users' records by user id."""
        return {
            key.decode(): record.readable(record.decode(value))
            for (_, key), value in self._tables["interests"].items()
        }

    def record(self, user_id: str) -> record.Interest:
        """A user's record; raises KeyError without one."""
        key = user_id.encode()
        return record.decode(self._tables["interests"][partition(key, self._partitions), key])

    def subjects(self) -> dict[str, dict[str, Any]]:
        """The subjects' records by subject, each with its open surge."""
        return {
            key.decode(): describe(self._pipeline, value)
            for (_, key), value in self._tables["subjects"].items()
        }

    def _batch(self, batch: Sequence[Record]) -> Iterator[Output]:
        received: dict[str, list[Message]] = defaultdict(list)
        for entry in batch:
            received[entry.topic].append(self._receive(entry))
        items = self._pipeline.items(received["items"], _stateless)
        yield from self._send(items.records)
        analysed = self._pipeline.analyse(received["reviews"], _stateless)
        yield from self._send(analysed.records)
        analyses = [self._receive(r) for r in analysed.records if r.topic == "analyses"]
        folded = self._stateful(
            "interests", self._pipeline.interests, [*analyses, *received["behaviours"]]
        )
        yield from self._send(folded.records)
        signals = [
            self._receive(r) for r in (*analysed.records, *folded.records) if r.topic == "signals"
        ]
        yield from self._send(self._stateful("subjects", self._pipeline.watch, signals).records)

    def _receive(self, entry: Record) -> Message:
        if entry.key is None:
            number = next(self._round) % self._partitions
        else:
            number = partition(entry.key, self._partitions)
        offset = next(self._offsets[entry.topic, number])
        return Message(
            entry.topic, number, offset, entry.key, entry.value, entry.headers, time.time()
        )

    def _stateful(self, table: str, processor: Any, messages: Sequence[Message]) -> Result:
        values = self._tables[table]
        result: Result = processor(messages, lambda number, key: values.get((number, key)))
        for state in result.states:
            values[state.partition, state.key] = state.value
        return result

    def _send(self, records: Sequence[Record]) -> Iterator[Output]:
        """What every worker reads back takes effect, and everything is put out."""
        for entry in records:
            if entry.topic == "item-vectors" and entry.value is not None:
                self._pipeline.catalogue.put(schemas.decode(entry.value, ItemVector))
            elif entry.topic == "item-vectors" and entry.key is not None:
                self._pipeline.catalogue.remove(entry.key.decode())
            elif entry.topic == "trends" and entry.value is not None:
                self._pipeline.hybrid.put(schemas.decode(entry.value, Trend))
            yield Output(entry.topic, entry.key, entry.value, entry.headers)


def describe(pipeline: Pipeline, value: bytes) -> dict[str, Any]:
    """A subject's record with the surges that it shows."""
    decoded = subject.decode(value)
    surges = pipeline.watch.surges(decoded)
    return {
        **subject.readable(decoded),
        "open": [schemas.encode(s).decode() for s in surges if s.end is None],
    }


def _stateless(partition: int, key: bytes) -> bytes | None:
    raise RuntimeError("this processor has no table")
