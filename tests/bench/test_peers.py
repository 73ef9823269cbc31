"""Two contestants on Apache Kafka: the worker and the plain loop."""

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from bench.peers.contest import CONTESTANTS, compete, prepare
from bench.peers.outcome import Outcome
from bench.run import children
from stream_app import settings as settings_module
from stream_app.broker.kafka import KafkaCluster, KafkaUnavailable
from stream_app.pipeline import open_model
from stream_app.settings import Settings
from tests import needs

BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}
RUNS = itertools.count()


@pytest.fixture(scope="module")
def kafka() -> Iterator[Settings]:
    try:
        with KafkaCluster() as broker:
            yield settings_module.load(broker=broker.bootstrap, session_timeout=6.0)
    except KafkaUnavailable as reason:
        needs.unavailable(str(reason))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stream-app, analyse", "plain aiokafka"])
async def test_every_review_is_answered_as_the_model_alone_does(kafka: Settings, name: str) -> None:
    course = prepare(open_model(kafka), kafka, burst=64, rate=50, seconds=1, killed=0)
    run = f"peers-{next(RUNS)}"
    settings = msgspec.structs.replace(kafka, app=run, prefix=f"{run}-")
    figures, outcome = await compete(BY_NAME[name], course, settings, children(), kill=False)
    assert outcome == Outcome(lost=0, repeated=0, renamed=0, differing=0)
    assert figures["reviews_per_s"] > 0 and figures["cpu_us"] > 0
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
