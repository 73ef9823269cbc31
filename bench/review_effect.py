"""What one review changes in its writer's next recommendation.

    python -m bench.review_effect [--recommender FOLDER]
    python -m bench.review_effect --write made.jsonl

Made users browse the demo's catalogue, each by the taste of one of the demo's users. Then each
writes one review of an item that they had to do with: a strongly negative text of the demo about
it or another of its category, or, in its place, a strongly positive one. Counted is how
often the hybrid's score of the item and of each of its five nearest (by cosine of the embeddings)
falls, or rises. `--write` only writes the users' events, to train a recommender on:

    stream-app recommend train --interactions made.jsonl --items stream_app/demo/items.jsonl ...
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stream_app import pipeline as pipelines
from stream_app import profiles, schemas, settings
from stream_app.demo import corpus, generate
from stream_app.interests.record import Interest, empty
from stream_app.interests.update import DAY, Rules, apply_analysis, apply_behaviour
from stream_app.messages.identity import hash64
from stream_app.messages.message import Message, Record
from stream_app.replay import Replay
from stream_app.schemas import Analysis, Behaviour, Item, Review
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "review_effect.json"
STRONG = 0.6
"""Least absolute intensity of a strong review."""
NEAREST = 5
START = 1.7e9


def made(items: Sequence[Item], users: int, seed: int) -> list[Behaviour]:
    """Events of so many users, oldest first within each."""
    drawn = []
    tastes = list(generate.TASTES)
    for number in range(users):
        user = f"m-{number:04d}"
        events = generate.behaviours(items, 400, seed=seed + number)
        of_one = [e for e in events if e.user_id == tastes[number % len(tastes)]] or events[:8]
        for event in of_one:
            time = START + (event.time or 0.0)
            drawn.append(
                Behaviour(user, event.item_id, event.kind, f"{user}-{event.event_id}", time)
            )
    return drawn


def totals(pipeline: pipelines.Pipeline, user: Interest) -> NDArray[np.float32]:
    """The hybrid's score of every item."""
    found: NDArray[np.float32] = pipeline.hybrid.totals([user], pipeline.catalogue)[0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--recommender", default="")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    demo = corpus.load()
    events = made(demo.items, options.users, options.seed)
    if options.write:
        options.write.write_bytes(b"".join(schemas.encode(event) + b"\n" for event in events))
        return
    profile = profiles.load("shop")
    pipeline = pipelines.build(settings.load(recommender=options.recommender))
    replay = Replay(pipeline, 4)
    for _ in replay.run(_messages(demo, events)):
        pass
    pipeline.catalogue.refresh()
    pipeline.hybrid.refresh()
    days = profile.behaviours.half_life_days
    rules = Rules(profile.behaviours.weights, days * DAY, frozenset(profile.policy.seen))
    records = _records(events, rules)
    kinds = {item.item_id: item.category for item in demo.items}
    strong = _strong(pipeline, demo.reviews, kinds)
    draw = random.Random(options.seed)
    outcome: dict[str, list[list[bool]]] = {"negative": [], "positive": []}
    for number, (user_id, record) in enumerate(tqdm(records.items(), desc="users")):
        item = draw.choice([e.item_id for e in events if e.user_id == user_id])
        row = pipeline.catalogue.row(hash64(item))
        assert row is not None
        likeness = pipeline.catalogue.vectors @ pipeline.catalogue.vectors[row]
        likeness[row] = np.inf
        near = np.argsort(-likeness)[: NEAREST + 1]
        before = totals(pipeline, record)[near]
        for mood, sign in (("negative", -1), ("positive", 1)):
            about = strong[mood].get(item) or strong[mood][kinds[item]]
            text = draw.choice(about)
            after = deepcopy(record)
            apply_analysis(after, _of(text, user_id, item, number), rules)
            change = (totals(pipeline, after)[near] - before) * sign
            outcome[mood].append((change > 0).tolist())
    body: dict[str, Any] = {
        "machine": machine(), "date": today(), "users": options.users,
        "sources": [source.name for source in pipeline.hybrid.sources],
    }  # fmt: skip
    for mood, rows in outcome.items():
        moved = np.array(rows)
        body[mood] = {
            "item": round(float(moved[:, 0].mean()), 4),
            "each of the five nearest": round(float(moved[:, 1:].mean()), 4),
            "item and all five": round(float(moved.all(1).mean()), 4),
        }
        print(mood, body[mood], flush=True)
    options.results.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    pipeline.live.current.inference.close()


def _messages(demo: corpus.Corpus, events: Sequence[Behaviour]) -> list[Record]:
    """The catalogue, the demo's reviews and all behaviours."""
    return [
        *(Record("items", i.item_id.encode(), schemas.encode(i)) for i in demo.items),
        *(Record("reviews", r.review_id.encode(), schemas.encode(r)) for r in demo.reviews),
        *(Record("behaviours", e.user_id.encode(), schemas.encode(e)) for e in events),
    ]


def _records(events: Sequence[Behaviour], rules: Rules) -> dict[str, Interest]:
    """Each user's record after their events."""
    records: dict[str, Interest] = {}
    for offset, event in enumerate(events):
        record = records.setdefault(event.user_id, empty(384))
        apply_behaviour(record, event, "behaviours/0", offset, event.time or START, rules)
    return records


def _strong(
    pipeline: pipelines.Pipeline, reviews: Sequence[Review], kinds: Mapping[str, str]
) -> dict[str, dict[str, list[Analysis]]]:
    """The analyses of the demo's strong reviews, by the item and by the category they are of."""
    messages = [
        Message("reviews", 0, n, r.review_id.encode(), schemas.encode(r), (), START)
        for n, r in enumerate(reviews)
    ]
    found: dict[str, dict[str, list[Analysis]]] = {
        "negative": defaultdict(list), "positive": defaultdict(list),
    }  # fmt: skip
    for record in pipeline.analyse(messages, lambda _, __: None).records:
        if record.topic != "analyses":
            continue
        analysis = schemas.decode(record.value, Analysis)
        item = analysis.item_id
        if item is not None and item in kinds and abs(analysis.intensity) >= STRONG:
            mood = found["negative" if analysis.intensity < 0 else "positive"]
            mood[item].append(analysis)
            mood[kinds[item]].append(analysis)
    return found


def _of(analysis: Analysis, user_id: str, item_id: str, number: int) -> Analysis:
    """That text as a review by another user of another item, an hour after all else."""
    import msgspec

    return msgspec.structs.replace(
        analysis, id=f"made-{number}", user_id=user_id, item_id=item_id, stars=None,
        time=START + generate.WEEK + 3600.0,
    )  # fmt: skip


if __name__ == "__main__":
    main()
