"""Everything that a recommender learns from a log: factors, sequence model, half-life, blend.

The blend is learnt on the newest slice of the log, with models that were trained on what came
before it: each target there is scored before it becomes known, as in the stream. Then factors and
sequence model are trained again, on all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from tqdm import tqdm

from stream_app.interests.record import KINDS
from stream_app.interests.update import DAY, Rules, opinion
from stream_app.messages.vectors import unpack
from stream_app.recommend import bundle, policy
from stream_app.recommend.bundle import Config, Recommender
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.sources import sources
from stream_app.schemas import ItemVector
from stream_app.subjects.record import Windows
from stream_app.training.networks import sequences
from stream_app.training.recommender import factors
from stream_app.training.recommender.blend import Choices
from stream_app.training.recommender.feed import Feed
from stream_app.training.recommender.log import Interaction, Log
from stream_app.training.recommender.measures import TOP

FACTORS = (0.5, 2.0)
"""By which the weight of a kind of event is tried."""
GAIN = 0.001
"""NDCG@10 that another weight must add to be taken: less is noise."""
SLICE = 9
"""The newest of so many parts of the log is what the blend is learnt on."""


@dataclass(frozen=True)
class Plan:
    """What training may choose from."""

    weights: Mapping[str, float]
    """Of the kinds of events."""
    half_lives: Sequence[float]
    """Days; the one under which the blend foresees the slice best is taken."""
    sequence: sequences.Recipe = field(default_factory=sequences.Recipe)
    left_out: frozenset[str] = frozenset()
    """Sources that get no weight, to see what they are worth."""


class Learnt(NamedTuple):
    """The recommender, and how it did on the slice."""

    trained: Recommender
    metrics: dict[str, Any]


def catalogue_of(entries: Sequence[ItemVector]) -> Catalogue:
    """A catalogue whose rows are in the order of the entries, of which there is one at least."""
    items = Catalogue(len(unpack(entries[0].vector)))
    for entry in entries:
        items.put(entry)
    items.refresh()
    return items


def feed(items: Catalogue, trained: Recommender, weights: Mapping[str, float]) -> Feed:
    """An empty feed of a recommender, with such a blend of its sources."""
    half_life = trained.config.half_life_days * DAY
    hybrid = Hybrid(sources(half_life, {}, trained), policy.Rules(), TOP, weights)
    rules = Rules(trained.config.events, half_life, frozenset())
    return Feed(items, hybrid, rules, Windows(DAY, 96, DAY, half_life))


def value(given: Interaction, weights: Mapping[str, float]) -> float:
    """The value of an interaction as an event of a record."""
    strength = opinion(given.sentiment, given.stars) if given.kind == "review" else 1.0
    return weights.get(given.kind, 0.0) * strength


def learn(log: Log, items: Catalogue, plan: Plan, name: str, model: str) -> Learnt:
    """Train on a log. `model`: the version of the bundle that embedded the items.

    First the half-life is searched, then, one kind of event after the other, whether it should
    count half or twice as much. Raises ValueError where the log is too short.
    """
    begin = len(log) - len(log) // SLICE
    early = _models(log.before(begin), items, plan, name, model)
    names = [source.name for source in sources(DAY, {}, early)]
    tried: dict[str, float] = {}

    def blended(half_life: float, events: Mapping[str, float], what: str) -> _Tried:
        config = _with(early, half_life_days=half_life, events=dict(events))
        choices = _choices(log, begin, items, config, names, what)
        weights = choices.learn(names, plan.left_out)
        tried[what] = choices.ndcg(weights)
        return _Tried(tried[what], half_life, events, weights)

    found = max(
        (blended(days, plan.weights, f"half-life {days:g} days") for days in plan.half_lives),
        key=lambda one: one.ndcg,
    )
    for kind in sorted({given.kind for given in log.interactions} - {"review"}):
        for factor in FACTORS:
            events = {**found.events, kind: found.events.get(kind, 0.0) * factor}
            other = blended(found.half_life, events, f"{kind} {events[kind]:g}")
            if other.ndcg > found.ndcg + GAIN:
                found = other
    total = sum(found.weights.values())
    weights = {source: round(weight / total, 4) for source, weight in found.weights.items()}
    trained = _models(log, items, plan, name, model)
    metrics = {
        "interactions": len(log), "users": len(set(log.user.tolist())),
        "items": len(set(log.item.tolist())), "slice": len(log) - begin,
        "slice_ndcg@10": {what: round(ndcg, 4) for what, ndcg in tried.items()},
    }  # fmt: skip
    best = _with(
        trained, half_life_days=found.half_life, events=dict(found.events), weights=weights
    )
    return Learnt(best, metrics)


class _Tried(NamedTuple):
    ndcg: float
    half_life: float
    events: Mapping[str, float]
    weights: dict[str, float]


def _models(log: Log, items: Catalogue, plan: Plan, name: str, model: str) -> Recommender:
    """Factors and sequence model of a log; the blend is still even."""
    texts = np.ascontiguousarray(items.vectors)
    made = factors.learn(log, texts)
    histories = _histories(log, plan.weights)
    exported = sequences.export(sequences.learn(histories, texts, plan.sequence), histories)
    seen = np.flatnonzero(np.bincount(log.item, minlength=len(items)))
    liked = np.flatnonzero(np.abs(made.factors).sum(1))
    config = Config(
        name=name, model=model, weights={}, events=dict(plan.weights),
        half_life_days=plan.half_lives[0], ridge=made.ridge, alpha=made.alpha,
        scale=exported.scale, kinds=list(KINDS),
    )  # fmt: skip
    # An item that was met but never liked has a vector of its own in the sequence model alone.
    own = made.factors.copy()
    unliked = np.setdiff1d(seen, liked)
    own[unliked] = texts[unliked] @ made.place
    return Recommender(
        config, name, items.hashes[seen].copy(), own[seen], made.place, made.gram,
        exported.own[seen], exported.project, exported.graph,
    )  # fmt: skip


def _histories(log: Log, weights: Mapping[str, float]) -> list[sequences.History]:
    rows: dict[int, list[int]] = {}
    for row in range(len(log)):
        rows.setdefault(int(log.user[row]), []).append(row)
    values = np.array([value(given, weights) for given in log.interactions], np.float32)
    kinds = np.array([KINDS.index(given.kind) for given in log.interactions])
    return [
        sequences.History(log.item[own], kinds[own], values[own], log.time[own], log.positive[own])
        for own in map(np.array, rows.values())
    ]


def _choices(
    log: Log, begin: int, items: Catalogue, trained: Recommender, names: Sequence[str], what: str
) -> Choices:
    """What was liked in the slice of the log from row `begin` on, each scored before by the
    sources of those names."""
    choices = Choices()
    fed = feed(items, trained, dict.fromkeys(names, 1.0))
    for row in tqdm(range(len(log)), desc=what, unit="event", mininterval=5):
        user, item = int(log.user[row]), int(log.item[row])
        if row >= begin and log.positive[row] and item not in (known := fed.known(user)):
            choices.add(fed.scores(user), item, known)
        fed.observe(log, row)
    return choices


def _with(trained: Recommender, **changes: Any) -> Recommender:
    """The recommender with other fields of its config."""
    return replace(trained, config=msgspec.structs.replace(trained.config, **changes))


def write(path: Path, learnt: Learnt, read_from: str) -> Recommender:
    """Write the bundle with its card. Raises FileExistsError."""
    config, metrics = learnt.trained.config, learnt.metrics
    blend = "\n".join(f"| {name} | {weight:.3f} |" for name, weight in config.weights.items())
    tried = "\n".join(f"| {what} | {ndcg:.4f} |" for what, ndcg in metrics["slice_ndcg@10"].items())
    text = f"""# {config.name}

A recommender for stream-app, learnt from {metrics["interactions"]} interactions of
{metrics["users"]} users with {metrics["items"]} items out of {read_from}. It holds what it learnt
of items, by the hashes of their ids, and nothing of a user.

Embeddings of items by {config.model or "no model"}; half-life {config.half_life_days:g} days.

| source | weight in the blend |
|---|---|
{blend}

NDCG@10 of the blend on the newest {metrics["slice"]} interactions, on which it was learnt:

| tried | NDCG@10 |
|---|---|
{tried}
"""
    return bundle.write(path, learnt.trained, metrics, text)
