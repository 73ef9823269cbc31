"""What is left on a broker beside what an uninterrupted run leaves."""

import json
import math
from collections import Counter
from typing import Any

from stream_app.agents.watch import readable
from stream_app.interests import record
from stream_app.messages.dead_letter import origin
from stream_app.messages.message import Record
from stream_app.pipeline import Pipeline
from stream_app.settings import Settings
from stream_app.subjects.record import IDS
from tests.kafka.workers import newest, read_all


def differences(live: Any, oracle: Any, path: str = "") -> list[str]:
    """Where two structures differ, numbers by more than 1e-5 (relative above 1)."""
    if isinstance(live, dict) and isinstance(oracle, dict):
        missing = [f"{path}/{key} only in one" for key in live.keys() ^ oracle.keys()]
        shared = sorted(live.keys() & oracle.keys())
        return missing + [d for k in shared for d in differences(live[k], oracle[k], f"{path}/{k}")]
    if isinstance(live, list | tuple) and isinstance(oracle, list | tuple):
        if len(live) != len(oracle):
            return [f"{path}: {len(live)} against {len(oracle)} entries"]
        pairs = enumerate(zip(live, oracle, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}/{i}")]
    if isinstance(live, float) or isinstance(oracle, float):
        close = math.isclose(live, oracle, rel_tol=1e-5, abs_tol=1e-5)
        return [] if close else [f"{path}: {live} against {oracle}"]
    return [] if live == oracle else [f"{path}: {live} against {oracle}"]


def reviews(subject: dict[str, Any]) -> int:
    """How many reviews a subject's record counts."""
    return sum(window["reviews"] for window in subject["windows"].values())


async def accounted(settings: Settings) -> tuple[int, list[str]]:
    """How many reviews and behaviours there are, and those in neither outputs nor dead letters."""
    analysed: Counter[tuple[str, int, int]] = Counter()
    for message in await read_all(settings, settings.prefix + "analyses"):
        source = json.loads(message.value)["source"]
        analysed[source["topic"], source["partition"], source["offset"]] += 1
    dead = Counter(
        origin(m.headers) for m in await read_all(settings, settings.prefix + "dead-letters")
    )
    applied = {
        user: json.loads(value)["applied"]
        for user, value in (await newest(settings, settings.prefix + "recommendations")).items()
    }
    lost, total = [], 0
    for name in ("reviews", "behaviours"):
        for message in await read_all(settings, settings.prefix + name):
            total += 1
            where = (name, message.partition, message.offset)
            if name == "reviews":
                done = where in analysed
            else:
                user = applied.get(message.key.decode(), {})
                done = user.get(f"behaviours/{message.partition}", -1) >= message.offset
                done = done and where not in dead
            if done == (where in dead):
                lost.append(f"{where}: {'in both' if done else 'lost'}")
    return total, lost


def interests_of(table: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """The users' records for comparing."""
    return {user: record.readable(record.decode(value)) for user, value in table.items()}


def subjects_of(pipeline: Pipeline, table: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """The subjects' records for comparing."""
    return {name: readable(pipeline, value) for name, value in table.items()}


def without_analyses(*all_subjects: dict[str, dict[str, Any]]) -> None:
    """Leave out where analyses stand in their topic: that depends on the order in which reviews
    are read, and a repeated one moves those after it."""
    for subjects in all_subjects:
        for value in subjects.values():
            value["applied"] = {
                source: offset
                for source, offset in value["applied"].items()
                if not source.startswith("analyses/")
            }


def without_busy(
    subjects: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]], load: list[Record]
) -> list[str]:
    """Leave out the subjects with more events than ids are kept of, and their names: of those a
    review's copy may come when the newest are all later. By more than the copies they never
    differ."""
    copies = len(load) - len({(entry.topic, entry.value) for entry in load})
    busy = [name for name, value in expected.items() if len(value["ids"]) == IDS]
    for name in busy:
        live, count = (reviews(all_.pop(name)) for all_ in (subjects, expected))
        assert abs(live - count) <= copies
    return busy
