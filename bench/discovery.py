"""Whether 50 reviews of one category are found and named among 1,950 of nine others.

    python -m bench.discovery zh_shopping/train.csv

The file has the columns `category` and `review`. Every category is planted in turn, over a week in
random order; the other nine are known topics, each with the descriptions of `bench.topics` and 40
examples that are not in the stream. Each text without a topic goes to the nearest
emerging centre (cosine of at least 0.45, the coherence asked for). Found: a topic of whose texts
at least half are planted, and a quarter of the planted ones without a topic. Named: one of its
words is among the 30 most telling of the category in the whole file. Mini-batch k-means beside it
is told the number 20.
"""

import argparse
import csv
import importlib.util
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from bench.topics import DESCRIPTIONS
from stream_app.emerging.clusters import Discovery
from stream_app.emerging.words import words
from stream_app.inference.batching import Inference
from stream_app.inference.bundle import default_bundle, load
from stream_app.inference.measures import Floats
from stream_app.inference.runtime import Model
from stream_app.inference.topics import TopicScorer
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "discovery.json"
PLANTED, OTHERS, SEEDS = 50, 1950, (11, 12)
EXAMPLES = 40
WEEK = 7 * 86_400.0


def telling(rows: dict[str, list[str]], sample: int = 400) -> dict[str, set[str]]:
    """The 30 words of each category with the highest n log(share here / share everywhere)."""
    counts = {c: Counter(w for t in texts[:sample] for w in words(t)) for c, texts in rows.items()}
    everywhere: Counter[str] = sum(counts.values(), Counter())
    result = {}
    for category, own in counts.items():
        score = {w: n * np.log(n * len(rows) / everywhere[w]) for w, n in own.items()}
        result[category] = set(sorted(score, key=score.__getitem__, reverse=True)[:30])
    return result


def judged(centres: Floats, vectors: Floats, planted: np.ndarray) -> tuple[bool, int, float, float]:
    """(found, which centre, share of its texts that are planted, share of the planted in it)."""
    if not len(centres):
        return False, -1, 0.0, 0.0
    cosines = vectors @ centres.T
    nearest = np.where(cosines.max(axis=1) >= 0.45, cosines.argmax(axis=1), -1)
    best = (False, -1, 0.0, 0.0)
    for row in range(len(centres)):
        inside = planted[nearest == row]
        purity = float(inside.mean()) if len(inside) else 0.0
        recall = float(inside.sum() / planted.sum())
        best = max(best, (purity >= 0.5 and recall >= 0.25, row, purity, recall),
                   key=lambda b: (b[0], b[2] * b[3]))  # fmt: skip
    return best


def kmeans(vectors: Floats) -> Floats:
    """Unit centres of scikit-learn's mini-batch k-means after one pass."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(20, n_init=3, random_state=0)
    for start in range(0, len(vectors) - 63, 64):
        model.partial_fit(vectors[start : start + 64])
    centres: Floats = model.cluster_centers_.astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return centres


def main() -> None:
    """Measure and write bench/results/discovery.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    file = given.file
    rows: dict[str, list[str]] = {}
    with file.open(encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            if len(text := line["review"].strip().lstrip("\ufeff")) >= 4:
                rows.setdefault(line["category"], []).append(text[:400])
    rng = random.Random(10)
    rows = {c: rng.sample(sorted(set(texts)), 400) for c, texts in rows.items()}
    names = telling(rows)
    inference = Inference(Model(load(given.bundle)), cache_size=len(rows) * 400)
    table: list[dict[str, Any]] = []
    examples = {category: texts[:EXAMPLES] for category, texts in rows.items()}
    rows = {category: texts[EXAMPLES:] for category, texts in rows.items()}
    for category in rows:
        others = [c for c in rows if c != category]
        scorer = TopicScorer(
            [(c, DESCRIPTIONS[c]) for c in others],
            inference,
            examples=[(text, [c]) for c in others for text in examples[c]],
        )
        for seed in SEEDS:
            rng = random.Random(seed)
            stream = [(text, True) for text in rng.sample(rows[category], PLANTED)]
            for other in others:
                stream += [(t, False) for t in rng.sample(rows[other], OTHERS // len(others))]
            stream.sort()
            rng.shuffle(stream)
            vectors = inference.infer([text for text, _ in stream]).embedding
            new = np.array([not t for t in scorer.topics(vectors)])
            planted = np.array([p for _, p in stream])[new]
            discovery = Discovery(inference.dimensions)
            start = time.perf_counter()
            for i, (text, _) in enumerate(stream):
                when = WEEK * i / len(stream)
                discovery.add(text, vectors[i], when, known=not new[i])
            spent = (time.perf_counter() - start) / len(stream)
            found = discovery.emerging(scorer.vectors)
            centres = np.array([topic.centre for topic in found], np.float32)
            hit, row, purity, recall = judged(centres, vectors[new], planted)
            called = found[row].words if hit else []
            entry = {"category": category, "seed": seed, "found": hit, "words": called}
            entry |= {"named": bool(names[category] & set(called))}
            entry |= {"purity": round(purity, 2), "recall": round(recall, 2)}
            entry |= {"unknown": int(new.sum()), "unknown_planted": int(planted.sum())}
            entry |= {"topics": len(found), "us_per_text": round(1e6 * spent)}
            entry |= {"bytes": len(discovery.encode())}
            if importlib.util.find_spec("sklearn") is not None:
                entry["kmeans_found"] = judged(kmeans(vectors[new]), vectors[new], planted)[0]
            table.append(entry)
            print(entry)
    inference.close()
    shares = {k: sum(bool(r.get(k)) for r in table) for k in ("found", "named", "kmeans_found")}
    result = {"date": today(), "machine": machine(), "data": file.name}
    result |= {"categories": len(rows), "runs": len(table), "of_runs": shares, "table": table}
    given.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(shares)


if __name__ == "__main__":
    main()
