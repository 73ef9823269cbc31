"""What fits no topic goes to discovery, and its subject's trend tells what was found."""

import json
import time
from collections.abc import Callable

import pytest

from stream_app import schemas
from stream_app.agents.emerging import REMINDER
from stream_app.demo import corpus
from stream_app.emerging.unmatched import SLOTS
from stream_app.messages.identity import partition
from stream_app.messages.message import Message, Record
from stream_app.pipeline import Pipeline
from stream_app.schemas import Signals, Trend, Unmatched
from stream_app.settings import load

SETTINGS = load(environ={})
BATTERY = "the battery lasts for days on one charge"
CATS = [
    f"{whose} cat {what} (13800138000)"
    for whose in ("My", "Our old", "The neighbour's", "Even the lazy", "My sister's")
    for what in ("sleeps in it", "never leaves it alone", "thinks it is a bed",
                 "guards it from the dog", "chases its shadow")
]  # fmt: skip


@pytest.fixture
def pipeline(new_pipeline: Callable[[], Pipeline]) -> Pipeline:
    return new_pipeline()


def message(record: Record, offset: int) -> Message:
    assert record.key is not None
    place = partition(record.key, SETTINGS.partitions)
    return Message(record.topic, place, offset, record.key, record.value, (), time.time())


def review(number: int, text: str) -> Message:
    value = {"review_id": f"r{number}", "user_id": "u", "text": text, "time": 1e9 + number}
    return message(Record("reviews", b"u", json.dumps(value).encode()), number)


def nothing(number: int, key: bytes) -> None:
    return None


def test_a_review_without_topic_is_kept_for_discovery_and_signalled(pipeline: Pipeline) -> None:
    reviews = [review(n, text) for n, text in enumerate(CATS)]
    result = pipeline.analyse(reviews, nothing)
    kept = [r for r in result.records if r.topic == "unmatched"]
    assert len(kept) == len(CATS)
    analyses = [json.loads(r.value or b"") for r in result.records if r.topic == "analyses"]
    for record, analysis in zip(kept, analyses, strict=True):
        value = schemas.decode(record.value, Unmatched)
        assert (value.id, value.vector) == (analysis["id"], analysis["vector"])
        assert value.text == analysis["text"] and "[PHONE]" in value.text
        assert 0 <= int(record.key or b"") < SLOTS
    (signal,) = [r for r in result.records if r.topic == "signals"]
    assert signal.key == b"emerging"
    assert len(schemas.decode(signal.value, Signals).entries) == len(CATS)
    again = pipeline.analyse(reviews, nothing)
    assert again.records == result.records


def test_a_review_with_a_topic_is_not_but_for_its_words(pipeline: Pipeline) -> None:
    result = pipeline.analyse([review(n, f"{BATTERY} ({n})") for n in range(64)], nothing)
    subjects = {r.key for r in result.records if r.topic == "signals"}
    assert b"topic:battery" in subjects and b"emerging" not in subjects
    kept = [schemas.decode(r.value, Unmatched) for r in result.records if r.topic == "unmatched"]
    assert 1 <= len(kept) <= 20
    assert all(value.vector is None for value in kept)


def test_the_trend_tells_what_was_found(pipeline: Pipeline) -> None:
    texts = CATS + [written.text for written in corpus.load().reviews]
    result = pipeline.analyse([review(n, text) for n, text in enumerate(texts)], nothing)
    for record in result.records:
        if record.topic == "unmatched":
            pipeline.discovered.put(record.key, record.value)
    signals = [r for r in result.records if r.topic == "signals"]
    watched = pipeline.watch([message(r, n) for n, r in enumerate(signals)], nothing)
    trends = {r.key: schemas.decode(r.value, Trend) for r in watched.records if r.topic == "trends"}
    assert trends[b"topic:battery"].emerging == []
    assert trends[b"emerging"].reviews > 200
    (found,) = trends[b"emerging"].emerging
    assert "cat" in found.words and "phone" not in found.words
    assert len(CATS) * 0.9 <= found.size <= len(CATS) * 1.5


def test_a_reminder_changes_nothing_and_tells_again(pipeline: Pipeline) -> None:
    reminder = message(REMINDER, 0)
    assert pipeline.watch([reminder], nothing) == ([], [])
    result = pipeline.analyse([review(n, text) for n, text in enumerate(CATS)], nothing)
    signals = [message(r, 1) for r in result.records if r.topic == "signals"]
    first = pipeline.watch(signals, nothing)
    states = {(s.partition, s.key): s.value for s in first.states}
    second = pipeline.watch([reminder], lambda number, key: states.get((number, key)))
    assert second.states == first.states
    assert [r for r in second.records if r.topic == "trends"] == [
        r for r in first.records if r.topic == "trends"
    ]
    assert not [r for r in second.records if r.topic == "alerts"]
