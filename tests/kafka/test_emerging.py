"""A topic that the profile does not describe, seen in `trends` while the stream runs."""

import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from stream_app.broker import Broker
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.demo import corpus
from stream_app.messages.message import Record
from stream_app.settings import Settings
from tests.kafka.workers import WorkerProcess, newest, settings_for, until

TELLING = "cat"
CATS = [
    " ".join(parts)
    for parts in itertools.product(
        ["My cat", "Our old cat", "The neighbour's cat", "Even the lazy cat", "My sister's cat"],
        ["sleeps in it all day.", "never leaves it alone.", "thinks it is a bed.",
         "sits on it every morning.", "chases its shadow.", "guards it from the dog.",
         "purrs when it sees it.", "scratches it at night.", "hides under it.",
         "will not let me have it.", "brings mice to it."],
    )
]  # fmt: skip
"""So many that every order of reading shows the topic: it depends on the partitions' pace."""


def reviews(texts: list[str], start: int, now: float) -> list[Record]:
    values = {
        f"r{n}": {"user_id": f"u{n % 50}", "text": text, "time": now - 10_000 + 10 * n}
        for n, text in enumerate(texts, start)
    }
    return [
        Record("reviews", review.encode(), json.dumps({"review_id": review, **value}).encode())
        for review, value in values.items()
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_topic_nobody_described_is_told_also_after_a_restart(
    any_broker: Broker, tmp_path: Path
) -> None:
    settings = settings_for(any_broker, "emerging")
    await administration.create(settings)
    texts = CATS + [review.text for review in corpus.load().reviews]
    random.Random(2).shuffle(texts)
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()

    async def told(size: int, reviews: int) -> bool:
        assert worker.alive(), worker.said()
        trend = (await trends(settings)).get("emerging", {})
        found = [t for t in trend.get("emerging", []) if TELLING in t["words"]]
        seen = sum(w["reviews"] for w in [*trend.get("history", []), trend]) if trend else 0
        return seen >= reviews and any(topic["size"] >= size for topic in found)

    try:
        now = time.time()
        await send_all(settings, reviews(texts, 0, now), lambda n: None)
        await until(lambda: told(45, 280), 150, "the topic in the trends")
        worker.kill()
        worker.delete_state()
        worker.start()
        before = (await trends(settings))["emerging"]
        last = reviews(["The cat of my aunt sleeps in it"], len(texts), now)
        await send_all(settings, last, lambda n: None)

        async def again() -> bool:
            trend = (await trends(settings))["emerging"]
            return trend["time"] > before["time"] and await told(40, 280)

        await until(again, 120, "the topic again, from the ring alone")
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    others = [t for subject, t in (await trends(settings)).items() if subject != "emerging"]
    assert others and not any("emerging" in trend for trend in others)


async def trends(settings: Settings) -> dict[str, dict[str, Any]]:
    found = await newest(settings, settings.prefix + "trends")
    return {subject: json.loads(value) for subject, value in found.items()}
