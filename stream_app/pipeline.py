"""The four processors, built from settings, profile and bundle: what worker and replay share."""

from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from stream_app import profiles
from stream_app.alerts.severe import SevereRule
from stream_app.alerts.surge import SurgeRule
from stream_app.emerging.discovered import Discovered
from stream_app.inference.batching import Inference
from stream_app.inference.bundle import Bundle, BundleError, default_bundle, load
from stream_app.inference.live import Live
from stream_app.inference.runtime import Model
from stream_app.interests.update import DAY, Rules
from stream_app.messages.topics import changelog
from stream_app.processors.analyse import Analyse
from stream_app.processors.catalogue import CatalogueProcessor
from stream_app.processors.interests import Interests
from stream_app.processors.watch import Watch
from stream_app.profiles import Profile
from stream_app.recommend import bundle as recommender
from stream_app.recommend import policy
from stream_app.recommend.bundle import Recommender
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.sources import sources
from stream_app.recommend.weights import blend
from stream_app.settings import Settings
from stream_app.subjects.record import Windows
from stream_app.text.mask import Masker


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The processors, and what they share within a process."""

    settings: Settings
    live: Live
    catalogue: Catalogue
    hybrid: Hybrid
    discovered: Discovered
    analyse: Analyse
    items: CatalogueProcessor
    interests: Interests
    watch: Watch


def open_bundle(settings: Settings, path: Path | None = None) -> Bundle:
    """A bundle, by default the settings', verified; raises BundleError."""
    return load(path or (Path(settings.bundle) if settings.bundle else default_bundle()))


def open_model(settings: Settings, path: Path | None = None) -> Model:
    """A bundle, by default the settings', verified and loaded; raises BundleError."""
    # An engine of TensorRT fits one card and one version; the tables' folder outlives the process.
    engines = Path(settings.data_dir) / "engines"
    return Model(open_bundle(settings, path), settings.threads or None, settings.provider, engines)


def open_recommender(settings: Settings, dimensions: int) -> Recommender | None:
    """The settings' recommender, if one is named; raises BundleError."""
    if not settings.recommender:
        return None
    trained = recommender.load(Path(settings.recommender))
    if trained.place.shape[0] != dimensions:
        raise BundleError(
            f"{settings.recommender}: learnt from embeddings of {trained.place.shape[0]} "
            f"dimensions, not {dimensions}: train it again"
        )
    return trained


def build(settings: Settings) -> Pipeline:
    """All processors; raises BundleError and ProfileError."""
    # The model's threads have the cores; those of BLAS would only spin between small products.
    threadpool_limits(1, user_api="blas")
    profile = profiles.load(settings.profile)
    inference = Inference(open_model(settings))
    return assemble(settings, profile, inference)


def assemble(settings: Settings, profile: Profile, inference: Inference) -> Pipeline:
    """All processors around a loaded model."""
    trained = open_recommender(settings, inference.dimensions)
    half_life_days = trained.config.half_life_days if trained else profile.behaviours.half_life_days
    half_life = half_life_days * DAY
    events = profile.behaviours.weights | (trained.config.events if trained else {})
    names = {topic.id: (topic.name, topic.zh) for topic in profile.topics}
    live = Live(
        inference,
        [(topic.id, topic.descriptions) for topic in profile.topics],
        [(example.text, example.topics) for example in profile.examples],
    )
    catalogue = Catalogue(inference.dimensions)
    discovered = Discovered(live)
    rules = policy.Rules(
        blocked=frozenset(profile.policy.blocked),
        unsafe=frozenset(profile.policy.unsafe),
        per_category=profile.policy.per_category,
        per_seller=profile.policy.per_seller,
        diversity=profile.policy.diversity,
    )
    weights = blend(trained.config if trained is not None else None)
    hybrid = Hybrid(sources(half_life, names, trained), rules, settings.recommend, weights)
    windows = Windows(
        profile.surge.window_seconds,
        profile.surge.ring,
        profile.surge.lateness_seconds,
        half_life,
    )
    return Pipeline(
        settings=settings,
        live=live,
        catalogue=catalogue,
        hybrid=hybrid,
        discovered=discovered,
        analyse=Analyse(
            live,
            Masker(profile.masks),
            SevereRule(profile.severe.probability, profile.severe.intensity, profile.severe.words),
            praise=events.get("review", 1.0),
            max_text=settings.max_text,
            future_seconds=settings.future_seconds,
        ),
        items=CatalogueProcessor(
            live,
            settings.future_seconds,
            settings.partitions,
            changelog=changelog(settings, "catalogue"),
        ),
        interests=Interests(
            hybrid,
            catalogue,
            Rules(events, half_life, frozenset(profile.policy.seen)),
            dimensions=inference.dimensions,
            partitions=settings.partitions,
            future_seconds=settings.future_seconds,
            changelog=changelog(settings, "interests"),
        ),
        watch=Watch(
            windows,
            SurgeRule(memory=profile.surge.ring // 2),
            discovered,
            partitions=settings.partitions,
            changelog=changelog(settings, "subjects"),
        ),
    )
