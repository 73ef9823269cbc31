"""What nobody can read in the topics between the agents ends no worker, now or when it starts."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from stream_app.broker import Broker
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.messages.message import Record
from stream_app.messages.vectors import pack
from tests.kafka.workers import WorkerProcess, drained, newest, read_all, settings_for

SHORT = pack(np.ones(3, np.float32))
NOTHING = pack(np.full(384, np.nan, np.float32))
ITEM = {"item_id": "poisoned", "title": "A kettle"}
TREND = {
    "subject": "item:poisoned", "start": 0.0, "seconds": 60.0, "reviews": 1, "negative_share": 0.0,
    "positive_share": 1.0, "mean_intensity": 0.5, "top_topics": [], "popularity": 1.0,
    "time": 1e9, "history": [],
}  # fmt: skip
TEXT = {"id": "r0", "time": 1e9, "text": "the cat sleeps in it"}
ANALYSIS = {
    "id": "r0", "user_id": "u0", "text": "good", "language": "en", "sentiment": "positive",
    "probabilities": {}, "intensity": 0.5, "topics": [], "model": "m", "time": 1e9,
    "source": {"topic": "reviews", "partition": 0, "offset": 0},
}  # fmt: skip
BROKEN: dict[str, tuple[bytes, list[object]]] = {
    "item-vectors": (
        b"poisoned",
        [{}, *({"item": ITEM, "vector": v, "model": "m"} for v in ("?", SHORT, NOTHING))],
    ),
    "trends": (b"item:poisoned", [{}, *(TREND | {"neighbours": n} for n in ("?", "AAAA"))]),
    "unmatched": (b"7", [{}, *(TEXT | {"vector": v} for v in ("?", SHORT, NOTHING))]),
    "analyses": (b"u0", [{}, *(ANALYSIS | {"vector": v} for v in ("?", SHORT, NOTHING))]),
    "signals": (b"item:poisoned", [{}, {"subject": "item:poisoned", "source": "reviews/0"}]),
    "models": (b"models", [{}]),
}


@pytest.mark.timeout(120)
async def test_what_cannot_be_read_between_the_agents_is_passed_over(
    any_broker: Broker, tmp_path: Path
) -> None:
    settings = settings_for(any_broker, "poison")
    await administration.create(settings)
    poison = [
        Record(topic, key, json.dumps(value).encode())
        for topic, (key, values) in BROKEN.items()
        for value in values
    ]
    poison += [Record(topic, key, b"\xff{") for topic, (key, _) in BROKEN.items()]
    poison += [Record(topic, b"\xff", None) for topic in ("item-vectors", "trends", "models")]
    good = {"text": "The kettle leaks. The cat hates it too.", "item_id": "k", "time": time.time()}
    worker = WorkerProcess(settings, tmp_path, "one")
    try:
        for number in range(2):
            await send_all(settings, poison, lambda _: None)
            if number == 0:
                worker.start()
            ids = {"review_id": f"r{number}", "user_id": f"u{number}"}
            item = {"item_id": "k", "title": "Kettle"}
            await send_all(
                settings,
                [
                    Record("items", b"k", json.dumps(item).encode()),
                    Record("reviews", b"%d" % number, json.dumps(good | ids).encode()),
                ],
                lambda _: None,
            )
            await drained(settings, [worker], 60)
            assert f"u{number}" in await newest(settings, settings.prefix + "recommendations")
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    letters = await read_all(settings, settings.prefix + "dead-letters")
    told = [(len(BROKEN[topic][1]) + 1) * 2 for topic in ("analyses", "signals")]
    assert len(letters) == sum(told)
    said = worker.log.read_text()
    for topic in ("item-vectors", "trends"):
        assert f"{settings.prefix}{topic}/" in said and "is passed over" in said
    assert "texts that fit no topic are passed over" in said
    assert "promotion refused" in said
