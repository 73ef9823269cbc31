"""Which sources there are."""

from collections.abc import Mapping

from stream_app.recommend.bundle import Recommender
from stream_app.recommend.collaborative import Collaborative
from stream_app.recommend.content import Content
from stream_app.recommend.neighbours import Neighbours
from stream_app.recommend.popularity import Popularity
from stream_app.recommend.quality import Quality
from stream_app.recommend.sequence import Sequential
from stream_app.recommend.source import Source


def sources(
    half_life: float, topics: Mapping[str, tuple[str, str]], trained: Recommender | None
) -> list[Source]:
    """All sources; those that need training only with a bundle.

    `half_life` in seconds; `topics`: English and Chinese name by id. Raises BundleError.
    """
    untrained: list[Source] = [
        Content(half_life, topics), Neighbours(), Popularity(half_life), Quality(),
    ]  # fmt: skip
    if trained is None:
        return untrained
    return [*untrained, Collaborative(trained), Sequential(trained)]
