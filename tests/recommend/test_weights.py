"""What the sources count, learnt or not."""

import logging
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream_app.recommend import bundle
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.policy import Rules
from stream_app.recommend.sources import sources
from stream_app.recommend.weights import WEIGHTS, blend

RECOMMENDER = Path(__file__).parent / "recommender"
CONFIG = bundle.load(RECOMMENDER).config


def test_without_a_recommender_the_weights_are_the_stated_ones() -> None:
    assert blend(None) == WEIGHTS
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_what_was_learnt_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    assert CONFIG.weights["popularity"] == 0.0
    assert blend(CONFIG) == CONFIG.weights
    assert not caplog.records


def test_a_source_that_is_younger_than_the_recommender_is_not_switched_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = replace(CONFIG, weights={"content": 0.6, "popularity": 0.4})
    with caplog.at_level(logging.WARNING):
        found = blend(old)
    # The worked example of the docstring.
    assert found == pytest.approx(
        {"neighbours": 0.35, "quality": 0.1, "content": 0.33, "popularity": 0.22}
    )
    (line,) = caplog.messages
    assert "neighbours, quality" in line and old.name in line
    hybrid = Hybrid(sources(1e6, {}, bundle.load(RECOMMENDER)), Rules(), 5, found)
    assert {source.name for source in hybrid.sources} == set(WEIGHTS)


def test_one_that_training_gave_nothing_stays_off() -> None:
    old = replace(CONFIG, weights={"content": 1.0, "popularity": 0.0, "quality": 0.0})
    found = blend(old)
    assert found["popularity"] == found["quality"] == 0.0
    assert found["neighbours"] == pytest.approx(0.35)
    assert sum(found.values()) == pytest.approx(1)


def test_nothing_learnt_is_as_untrained() -> None:
    assert blend(replace(CONFIG, weights={})) == WEIGHTS
