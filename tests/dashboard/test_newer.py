"""Records of a newer version: the page shows kinds that it does not know by their own names."""

import pytest

from stream_app.dashboard.state import Journey
from stream_app.schemas import Recommendations
from stream_app.schemas.records import Event, Part, Reason, Recommendation
from tests.dashboard.rendered import reader, rendered
from tests.dashboard.test_state import NOW, alert, analysis, listed, message

KINDS = ("kind of tomorrow", "theme", "changed", "", "{x}")
"""Also such as the page has other texts for."""


@pytest.mark.parametrize("kind", KINDS)
async def test_unknown_kinds_are_shown_as_they_are(kind: str) -> None:
    reading = reader()
    state = reading.state
    state.apply(message("alerts", alert(1, kind)), NOW)
    state.apply(message("analyses", analysis(1, kind)), NOW)
    item = Recommendation("p1", "Item", 0.5, [Part(kind, 0.5, 1.0)], [Reason(kind, "why", "因为")])
    record = Recommendations(
        "u1", [item], Event(kind, NOW), {"reviews/0": 1}, {kind: 1}, {kind: ["p2"]}
    )
    state.apply(message("recommendations", listed("u1", "ab", 0, "review")), NOW)
    state.apply(message("recommendations", record), NOW)
    journey = Journey("r2", "u1", NOW)
    state.track(journey)
    state.apply(message("analyses", analysis(2, kind)), NOW)
    with rendered(reading, ["u1", "u1"]) as pages:
        for page in pages:
            page.refresh()
            assert kind in page.texts, "the alert's chip"
            assert "why" in page.texts or "因为" in page.texts
            assert any("○" in text and "−" not in text for text in page.texts), "the sentiment"
            assert any(f"{kind} (p2)" in text for text in page.texts), "the rule"
    assert state.reviews == 2 and state.alerted == 1
