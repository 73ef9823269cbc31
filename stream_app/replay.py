"""The flow without Kafka: the same processors over a file, in one process and one order.

Since updates commute, the state at the end is the one that any live run must reach: the oracle
of the tests.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any, NamedTuple

from stream_app.agents.description import Agent, Subscription
from stream_app.agents.registry import AGENTS, SUBSCRIPTIONS
from stream_app.messages.identity import partition
from stream_app.messages.message import Headers, Message, Record, Result
from stream_app.messages.topics import CONSUMED, INPUTS
from stream_app.pipeline import Pipeline

BATCH = 512


class Output(NamedTuple):
    """A message that would have been sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class Replay:
    """Feeds messages through a pipeline; keeps the tables in memory."""

    def __init__(
        self,
        pipeline: Pipeline,
        partitions: int,
        agents: Sequence[Agent] = AGENTS,
        subscriptions: Sequence[Subscription] = SUBSCRIPTIONS,
    ) -> None:
        """`agents`: each after those that feed it."""
        self._pipeline = pipeline
        self._partitions = partitions
        self._agents = agents
        self._processors = {agent.name: agent.processor(pipeline) for agent in agents}
        self._handles = {
            each.topic: each.open(pipeline).handle for each in subscriptions if each.replayed
        }
        self._offsets: dict[tuple[str, int], Iterator[int]] = defaultdict(count)
        self._round = count()
        self.states: dict[str, dict[tuple[int, bytes], bytes]] = {
            agent.table.name: {} for agent in agents if agent.table is not None
        }
        """By table: values by partition and key."""

    def run(self, messages: Iterable[Record]) -> Iterator[Output]:
        """All outputs, batch by batch. Inputs: the topics that producers write."""
        pending = iter(messages)
        while batch := list(islice(pending, BATCH)):
            yield from self.take([self._receive(entry) for entry in batch if entry.topic in INPUTS])

    def take(self, messages: Sequence[Message]) -> Iterator[Output]:
        """All outputs of a batch of inputs with the partitions and offsets that they have."""
        received: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            received[message.topic].append(message)
        for agent in self._agents:
            taken = [message for topic in agent.topics for message in received.pop(topic, [])]
            result = self.process(agent, taken)
            for entry in result.records:
                if entry.topic in CONSUMED:
                    received[entry.topic].append(self._receive(entry))
            yield from self._send(result.records)
        assert not any(received.values()), f"nobody takes {list(received)}"

    def records(self, table: str) -> dict[str, dict[str, Any]]:
        """A table's records by key, in a readable form."""
        (readable,) = (a.readable for a in self._agents if a.table and a.table.name == table)
        assert readable is not None, f"{table} has no readable form"
        return {
            key.decode(): readable(self._pipeline, value)
            for (_, key), value in self.states[table].items()
        }

    def state(self, table: str, key: str) -> bytes:
        """A table's value as it is stored; raises KeyError without one."""
        encoded = key.encode()
        return self.states[table][partition(encoded, self._partitions), encoded]

    def process(self, agent: Agent, messages: Sequence[Message]) -> Result:
        """Run one agent over messages that it has received, and keep its state."""
        processor = self._processors[agent.name]
        if agent.table is None:
            return processor(messages, _stateless)
        values = self.states[agent.table.name]
        result = processor(messages, lambda number, key: values.get((number, key)))
        for state in result.states:
            if state.value is None:
                values.pop((state.partition, state.key), None)
            else:
                values[state.partition, state.key] = state.value
        return result

    def _receive(self, entry: Record) -> Message:
        if entry.key is None:
            number = next(self._round) % self._partitions
        else:
            number = partition(entry.key, self._partitions)
        offset = next(self._offsets[entry.topic, number])
        return Message(
            entry.topic, number, offset, entry.key, entry.value, entry.headers, time.time()
        )

    def _send(self, records: Sequence[Record]) -> Iterator[Output]:
        """What every worker reads back takes effect, and everything is put out."""
        for entry in records:
            if entry.topic in self._handles:
                self._handles[entry.topic](entry.key, entry.value)
            yield Output(entry.topic, entry.key, entry.value, entry.headers)


def _stateless(partition: int, key: bytes) -> bytes | None:
    raise RuntimeError("this processor has no table")
