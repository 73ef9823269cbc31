"""Reviews to measure with: many, all different, in the manner of the demo's."""

import random
import re
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_app import profiles, schemas
from stream_app.demo import corpus
from stream_app.inference.runtime import Model
from stream_app.messages.message import Record
from stream_app.schemas import Review
from stream_app.settings import Settings
from stream_app.text.clean import clean
from stream_app.text.language import language
from stream_app.text.mask import Masker
from stream_app.text.prepare import prepare

SEED = 4711
USERS = 1000
SPAN = 6 * 3600
"""Seconds of event time over which the reviews are spread."""
SENTENCE = re.compile(r"[^。！？.!?]+[。！？.!?]+")
DRAWN = "two (2 in 3) or three (1 in 3) sentences of different demo reviews in one language"


@dataclass(frozen=True)
class Load:
    """The same reviews as the worker reads them and as the model sees them."""

    reviews: list[Review]
    prepared: list[str]
    """Cleaned and masked."""

    def records(self) -> list[Record]:
        """Messages for `reviews`, keyed by review."""
        return [
            Record("reviews", review.review_id.encode(), schemas.encode(review))
            for review in self.reviews
        ]

    def describe(self, model: Model) -> dict[str, Any]:
        """What was drawn, and its lengths in tokens."""
        lengths = np.array([len(encoding) for encoding in model.encode(self.prepared)])
        names = ("p10", "p50", "p90", "p99")
        quantiles = np.percentile(lengths, (10, 50, 90, 99))
        chinese = sum(language(text) == "zh" for text in self.prepared)
        return {
            "drawn": f"seed {SEED}: {DRAWN}; all different after cleaning and masking",
            "reviews": len(self.reviews),
            "users": USERS,
            "chinese_share": round(chinese / len(self.prepared), 3),
            "tokens": {"mean": round(float(lengths.mean()), 1), "max": int(lengths.max())}
            | {name: int(value) for name, value in zip(names, quantiles, strict=True)},
        }


def items() -> list[Record]:
    """The demo's catalogue."""
    return [
        Record("items", item.item_id.encode(), schemas.encode(item)) for item in corpus.load().items
    ]


def draw(count: int, settings: Settings) -> Load:
    """`count` reviews whose texts are all different; the same for the same count."""
    rng = random.Random(SEED)
    data = corpus.load()
    pools: dict[str, list[list[str]]] = {"zh": [], "en": []}
    for review in data.reviews:
        text = clean(review.text)
        sentences = [s.strip() for s in SENTENCE.findall(text) if len(s.strip()) > 3]
        if sentences and (spoken := language(text)) in pools:
            pools[spoken].append(sentences)
    languages = [name for name, pool in pools.items() for _ in pool]
    masker = Masker(profiles.load(settings.profile).masks)
    item_ids = [item.item_id for item in data.items]
    start = time.time() - SPAN
    reviews: list[Review] = []
    prepared: dict[str, None] = {}
    while len(reviews) < count:
        pool = pools[rng.choice(languages)]
        chosen = [rng.choice(sentences) for sentences in rng.sample(pool, rng.choice((2, 2, 3)))]
        raw = " ".join(chosen)
        text = prepare(raw, masker).text
        if not text or text in prepared:
            continue
        prepared[text] = None
        number = len(reviews)
        reviews.append(
            Review(
                review_id=f"b-{number}",
                user_id=f"u-{rng.randrange(USERS)}",
                text=raw,
                item_id=rng.choice(item_ids),
                stars=float(rng.randint(1, 5)),
                time=start + SPAN * number / count,
            )
        )
    return Load(reviews, list(prepared))
