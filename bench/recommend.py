"""Ranking a large catalogue: the recommender beside a bare NumPy product and partition.

    taskset -c 0 python -m bench.recommend [--items 100000] [--users 256]

Item vectors are made: centres of 4,000 kinds, each item one of them and noise (mean cosine of two
of a kind .6), unit length, 384 dimensions. Users are records of 32 events with items of three
kinds. All on one thread, each figure the best of five rounds, the ways in turn.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.run import rss
from stream_app.interests.record import Interest, empty
from stream_app.interests.update import Rules, apply_behaviour
from stream_app.messages.identity import hash64
from stream_app.messages.vectors import pack
from stream_app.recommend import policy
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.content import Content
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.index import Index
from stream_app.recommend.sources import sources
from stream_app.schemas import Behaviour, Item, ItemVector, Trend
from stream_app.subjects.pairs import pack as pack_pairs
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "recommend.json"
DIMENSIONS, KINDS, TOP, ROUNDS = 384, 4000, 20, 5
RULES = Rules({"view": 0.2, "purchase": 1.0}, 1e6, frozenset({"purchase"}))


def vectors(count: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors [count, DIMENSIONS] and the kind of each."""
    centres = rng.normal(size=(KINDS, DIMENSIONS))
    kinds = rng.integers(0, KINDS, count)
    made = centres[kinds] + 0.8 * rng.normal(size=(count, DIMENSIONS))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32), kinds


def catalogue(made: NDArray[np.float32]) -> Catalogue:
    """A catalogue of those vectors, 500 sellers and 100 categories."""
    items = Catalogue(DIMENSIONS)
    for number, vector in enumerate(made):
        item = Item(
            f"i{number}", f"Item {number}", category=f"c{number % 100}", seller=f"s{number % 500}"
        )
        items.put(ItemVector(item, pack(vector), "m"))
    items.refresh()
    return items


def users(count: int, kinds: NDArray[np.int64], rng: np.random.Generator) -> list[Interest]:
    """Records of so many users."""
    by_kind = [np.flatnonzero(kinds == kind) for kind in range(KINDS)]
    found = []
    for _ in range(count):
        own = np.concatenate([by_kind[kind] for kind in rng.integers(0, KINDS, 3)])
        record = empty(DIMENSIONS)
        for offset in range(32):
            kind = "purchase" if offset % 4 == 0 else "view"
            done = Behaviour("u", f"i{rng.choice(own)}", kind)  # type: ignore[arg-type]
            apply_behaviour(record, done, "b", offset, 1.7e9 + offset * 60, RULES)
        found.append(record)
    return found


def trends(kinds: NDArray[np.int64], rng: np.random.Generator) -> list[Trend]:
    """A trend of every item: popularity, opinion, and 20 neighbours, mostly of its kind."""
    order = np.argsort(kinds, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    told = []
    for number in range(len(kinds)):
        near = order[(place[number] + np.arange(1, 21)) % len(order)]
        weights = {
            hash64(f"i{other}"): float(w)
            for other, w in zip(near, rng.gamma(1, 2, 20), strict=True)
        }
        told.append(
            Trend(
                f"item:i{number}", 0, 1, 0, 0, 0, 0, [], float(rng.pareto(1)), 1.7e9, [],
                opinions=5.0, opinion=float(rng.uniform(-1, 1)), neighbours=pack_pairs(weights),
            )
        )  # fmt: skip
    return told


def timed(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Least seconds of each way over the rounds, taken in turn."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - begun)
    return {name: min(rounds) for name, rounds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=256)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    threadpool_limits(1)
    rng = np.random.default_rng(7)
    made, kinds = vectors(options.items, rng)
    items = catalogue(made)
    people = users(options.users, kinds, rng)
    queries = Content(1e6, {}).interests(people, items)

    exact, graph = Index(exact=len(items)), Index(exact=0)
    exact.update(items)
    begun, held = time.perf_counter(), rss(os.getpid())
    graph.update(items)
    build = {
        "seconds": round(time.perf_counter() - begun, 1),
        "bytes_an_item": (rss(os.getpid()) - held) // len(items),
    }
    held = rss(os.getpid())
    hybrid = Hybrid(sources(1e6, {}, None), policy.Rules(per_seller=4, diversity=0.2), TOP)
    for trend in trends(kinds, rng):
        hybrid.put(trend)
    hybrid.refresh()
    told = (rss(os.getpid()) - held) // len(items)
    hybrid.recommend(people[:1], items)

    def bare() -> NDArray[np.int64]:
        scores = queries @ made.T
        return np.argpartition(scores, -TOP, axis=1)[:, -TOP:]

    seconds = timed({
        "bare": bare,
        "exact": lambda: exact.nearest(queries, TOP),
        "graph": lambda: graph.nearest(queries, TOP),
        "hybrid": lambda: hybrid.recommend(people, items),
    })  # fmt: skip
    true, found = bare(), graph.nearest(queries, TOP)
    recall = np.mean(
        [len(set(a) & set(b)) / TOP for a, b in zip(true.tolist(), found.tolist(), strict=True)]
    )
    body = {
        "machine": machine(), "date": today(), "items": options.items, "users": options.users,
        "users_a_second": {name: round(options.users / s) for name, s in seconds.items()},
        "of_bare": {name: round(seconds["bare"] / s, 2) for name, s in seconds.items()},
        "graph_recall@20": round(float(recall), 4),
        "graph_build": build,
        "bytes_an_item": {"vector": 4 * DIMENSIONS, "trend": told},
    }  # fmt: skip
    print(json.dumps(body, indent=1))
    options.results.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
