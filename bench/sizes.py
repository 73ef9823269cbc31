"""What a review and a behaviour put into each topic: messages and bytes, of the demo's week."""

import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean
from typing import Any

from stream_app.agents.description import Agent
from stream_app.demo import corpus
from stream_app.messages.message import Message, Record, Result
from stream_app.pipeline import build
from stream_app.replay import Replay
from stream_app.settings import Settings


class _Told(Replay):
    """Replay that also tells what the changelogs would get."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(build(settings), settings.partitions)
        self.written: list[tuple[str, int]] = []
        """Table and bytes."""

    def process(self, agent: Agent, messages: Sequence[Message]) -> Result:
        result = super().process(agent, messages)
        if agent.table is not None:
            self.written += [
                (agent.table.name, len(key) + len(v or b"")) for _, key, v in result.states
            ]
        return result


def sizes(settings: Settings) -> list[dict[str, Any]]:
    """A row for each topic: mean bytes of key, value and headers, messages for each input.

    Each event is replayed alone, as on a quiet day: under load several events of a user, and many
    of a subject, are written once.
    """
    replay = _Told(settings)
    sent: dict[str, int] = defaultdict(int)
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for envelope in corpus.messages(time.time()):
        topic, key, value = envelope["topic"], envelope["key"].encode(), corpus.payload(envelope)
        sent[topic] += 1
        found[topic][topic].append(len(key) + len(value or b""))
        for output in replay.run([Record(topic, key, value)]):
            headers = sum(len(name) + len(held or b"") for name, held in output.headers)
            size = len(output.key or b"") + len(output.value or b"") + headers
            found[output.topic][topic].append(size)
        for table, size in replay.written:
            found[f"{table}-changelog"][topic].append(size)
        replay.written.clear()
    return [
        {
            "topic": topic,
            "bytes": mean(size for counted in by.values() for size in counted),
            "of_a_review": len(by["reviews"]) / sent["reviews"],
            "of_a_behaviour": len(by["behaviours"]) / sent["behaviours"],
        }
        for topic, by in found.items()
    ]
