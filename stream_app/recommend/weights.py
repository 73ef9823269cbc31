"""What each source counts in the ranking."""

import logging
from collections.abc import Mapping

from stream_app.recommend.bundle import Config

log = logging.getLogger(__name__)

WEIGHTS: Mapping[str, float] = {
    "content": 0.35, "neighbours": 0.35, "popularity": 0.2, "quality": 0.1,
}  # fmt: skip
"""Share of each source in the blend, where none was learnt from a log."""


def blend(trained: Config | None) -> Mapping[str, float]:
    """The sources' weights, by name: those of WEIGHTS, or a recommender's.

    A recommender that was trained before a source existed has no weight for it. The source then
    has its share of WEIGHTS, and the learnt weights share the rest among them as they were learnt.
    Say 0.6 and 0.4 were learnt for content and popularity, and neighbours and quality are younger:
    these two have 0.35 and 0.1, the others 0.6 and 0.4 of the 0.55 left, 0.33 and 0.22. A source
    that training gave 0 keeps 0.
    """
    if trained is None:
        return WEIGHTS
    younger = {name: share for name, share in WEIGHTS.items() if name not in trained.weights}
    if not younger:
        return trained.weights
    total = sum(trained.weights.values()) or 1.0
    left = 1 - sum(younger.values())
    log.warning(
        "the recommender %s has learnt no weight for %s: each has the share of one untrained; "
        "train it again",
        trained.name,
        ", ".join(younger),
    )
    learnt = {name: weight * left for name, weight in trained.weights.items()}
    return learnt | {name: share * total for name, share in younger.items()}
