"""Recommendations after a restart are those of an uninterrupted run."""

from collections.abc import Callable
from itertools import islice

import pytest

from stream_app import schemas
from stream_app.demo import corpus
from stream_app.messages.message import Record
from stream_app.pipeline import Pipeline
from stream_app.replay import BATCH, Output, Replay
from stream_app.schemas import ItemVector, Trend

NOW = 1.7e9


def messages() -> list[Record]:
    return [Record(m["topic"], m["key"].encode(), corpus.payload(m)) for m in corpus.messages(NOW)]


def recommendations(outputs: list[Output]) -> list[tuple[bytes | None, bytes | None]]:
    return [(o.key, o.value) for o in outputs if o.topic == "recommendations"]


def told(pipeline: Pipeline, outputs: list[Output]) -> None:
    """What a worker that starts reads back: the newest of each key of the compacted topics."""
    newest = {(o.topic, o.key): o.value for o in outputs}
    for (topic, _), value in newest.items():
        if topic == "trends" and value is not None:
            pipeline.hybrid.put(schemas.decode(value, Trend))
        elif topic == "item-vectors" and value is not None:
            pipeline.catalogue.put(schemas.decode(value, ItemVector))


@pytest.mark.parametrize("batches", [1, 2])
def test_a_restarted_worker_recommends_the_same(
    new_pipeline: Callable[[], Pipeline], batches: int
) -> None:
    inputs = messages()
    whole = Replay(new_pipeline(), 4)
    expected = recommendations(list(whole.run(inputs)))

    first = Replay(new_pipeline(), 4)
    given = iter(inputs)
    before = list(first.run(islice(given, batches * BATCH)))
    second_pipeline = new_pipeline()
    told(second_pipeline, before)
    second = Replay(second_pipeline, 4)
    # The state is on disk and in the changelog, the offsets are the broker's: nothing else is
    # carried over.
    second.states, second._offsets, second._round = first.states, first._offsets, first._round
    after = list(second.run(given))
    assert recommendations(after)
    assert sorted(recommendations(before + after)) == sorted(expected)
