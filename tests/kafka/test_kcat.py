"""A stranger's client: kcat (librdkafka) writes a review and reads what became of it."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from stream_app.broker.kafka import KafkaCluster
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.settings import load
from tests import needs
from tests.kafka.load import items
from tests.kafka.workers import WorkerProcess, drained


def kcat(broker: str, *arguments: str, text: str | None = None) -> str:
    done = subprocess.run(
        ["kcat", "-b", broker, "-X", "topic.partitioner=murmur2_random", *arguments],
        input=text, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


def read(broker: str, topic: str) -> list[Any]:
    return [json.loads(line) for line in kcat(broker, "-C", "-e", "-q", "-t", topic).splitlines()]


async def test_kcat_reads_what_it_caused(kafka: KafkaCluster, tmp_path: Path) -> None:
    needs.tool("kcat")
    settings = load(environ={}, broker=kafka.bootstrap, app="kcat", prefix="kcat.",
                    session_timeout=6.0)  # fmt: skip
    await administration.create(settings)
    await send_all(settings, items(), lambda n: None)
    review = {"review_id": "k1", "user_id": "u1", "item_id": "p-105", "time": time.time(),
              "text": "The charger caught fire at night, call me on 13800138000"}  # fmt: skip
    behaviour = {"user_id": "u1", "item_id": "p-402", "kind": "purchase", "time": time.time()}
    broker = kafka.bootstrap
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    try:
        await drained(settings, [worker], 60, "the catalogue")
        kcat(broker, "-P", "-t", "kcat.reviews", "-k", "k1", text=json.dumps(review) + "\n")
        kcat(broker, "-P", "-t", "kcat.behaviours", "-k", "u1", text=json.dumps(behaviour) + "\n")
        await drained(settings, [worker], 60)
    finally:
        worker.kill()
    (analysis,) = read(broker, "kcat.analyses")
    assert (analysis["id"], analysis["sentiment"]) == ("k1", "negative")
    assert "13800138000" not in json.dumps(analysis)
    (alert,) = [a for a in read(broker, "kcat.alerts") if a["kind"] == "severe"]
    assert alert["subject"] == "item:p-105"
    assert "13800138000" not in json.dumps(alert)
    ranked = read(broker, "kcat.recommendations")[-1]
    assert ranked["user_id"] == "u1"
    assert read(broker, "kcat.dead-letters") == []
    assert ranked["items"] and all(entry["reasons"] for entry in ranked["items"][:3])
    assert not {"p-105", "p-402"} & {entry["item_id"] for entry in ranked["items"]}
