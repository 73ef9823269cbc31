"""A pytest plugin: marks tests by what they ask for, so that `-m` leaves out all of a kind."""

from pathlib import Path

import pytest

FIXTURES = {
    "broker": {"embedded_broker", "kafka", "started_kafka", "cluster", "secured", "demo"},
    "browser": {"chromium"},
    "training": {"tiny_bert"},
}
"""Markers that a test gets for what it asks for, be it through another fixture."""
TRAINING = Path(__file__).parent / "training"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that starts a broker without a fixture is marked where it stands."""
    for item in items:
        for marker, fixtures in FIXTURES.items():
            if fixtures.intersection(getattr(item, "fixturenames", ())):
                item.add_marker(marker)
        if item.path.is_relative_to(TRAINING):
            item.add_marker("training")
