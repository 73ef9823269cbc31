"""Topics of reviews: by similarity to descriptions alone, and by a head on the embedding.

    python -m bench.topics path/to/zh_shopping/train.csv

The file has the columns `category` (one of ten goods) and `review`. The descriptions below were
written before the first measurement and are not tuned on it. The head is a logistic regression
(scikit-learn, extra `train`) on the embeddings of other rows.
"""

import argparse
import csv
import datetime
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from models.batching import Inference
from models.bundle import default_bundle, load
from models.data import normal_form
from models.evaluation import machine
from models.runtime import Model
from models.topics import TopicScorer

RESULTS = Path(__file__).parent / "results" / "topics.json"
DESCRIPTIONS: dict[str, list[str]] = {
    "书籍": ["这本书的内容、作者和印刷", "读完以后的感想", "a book, its author and its story"],
    "平板": ["平板电脑的屏幕和系统", "给孩子用的平板", "a tablet computer"],
    "手机": ["手机的通话、拍照和待机", "手机的外观和配件", "a mobile phone"],
    "水果": ["水果新鲜不新鲜、甜不甜", "苹果橙子坏了几个", "fresh fruit, sweet or rotten"],
    "洗发水": ["洗发水的味道和去屑", "洗完头发柔顺", "a shampoo for the hair"],
    "热水器": ["热水器的安装和加热", "安装师傅收材料费", "a water heater and its installation"],
    "蒙牛": ["牛奶的味道和日期", "蒙牛乳制品的质量和安全", "milk and dairy products"],
    "衣服": ["衣服的面料、尺码和款式", "穿着合身不合身", "clothes, fabric and size"],
    "计算机": ["笔记本电脑的配置和散热", "电脑装系统和驱动", "a laptop computer"],
    "酒店": ["酒店的房间、前台和早餐", "住宿的位置和卫生", "a hotel room and its service"],
}


def rows(file: Path, train: int, test: int) -> tuple[list[Any], list[Any]]:
    """(text, category) to fit the head on and to measure on, each text once, drawn by a seed."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        texts = {
            normal_form(row["review"]): (row["review"].strip("\ufeff "), row["category"])
            for row in csv.DictReader(stream)
        }
    texts.pop("", None)
    drawn = random.Random(1).sample(sorted(texts.values()), train + test)
    return drawn[:train], drawn[train:]


def measure(file: Path, train: int, test: int) -> dict[str, Any]:
    """Accuracy of both ways on the same texts."""
    fitted, measured = rows(file, train, test)
    inference = Inference(Model(load(default_bundle())), cache_size=0)
    scorer = TopicScorer(list(DESCRIPTIONS.items()), inference)
    vectors = {n: inference.infer([t for t, _ in r]).embedding for n, r in
               (("fitted", fitted), ("measured", measured))}  # fmt: skip
    truth = np.array([category for _, category in measured])
    scores = scorer.score(vectors["measured"])
    nearest = np.array(scorer.ids)[scores.argmax(axis=1)]
    head = LogisticRegression(C=10, max_iter=1000)
    head.fit(vectors["fitted"], [category for _, category in fitted])
    predicted = head.predict(vectors["measured"])
    named = scores.max(axis=1) >= 0.5
    confused: dict[str, Counter[str]] = defaultdict(Counter)
    for true, guess in zip(truth, nearest, strict=True):
        confused[true][guess] += 1
    return {
        "bundle": inference.version,
        "texts": {"head": train, "measured": test},
        "zero_shot": {
            "accuracy": float((nearest == truth).mean()),
            "named_share": float(named.mean()),
            "accuracy_where_named": float((nearest == truth)[named].mean()) if named.any() else 0.0,
            "by_category": {c: float((nearest == truth)[truth == c].mean()) for c in DESCRIPTIONS},
        },
        "head": {
            "accuracy": float((predicted == truth).mean()),
            "by_category": {
                c: float((predicted == truth)[truth == c].mean()) for c in DESCRIPTIONS
            },
        },
        "zero_shot_confusion": {c: dict(confused[c].most_common(4)) for c in DESCRIPTIONS},
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path, help="zh_shopping's train.csv")
    parser.add_argument("--train", type=int, default=3000, help="texts for the head")
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    result = measure(given.file, given.train, given.test)
    head = {
        "command": "python -m bench.topics zh_shopping/train.csv",
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "data": "ChineseNlpCorpus online_shopping_10_cats; the bundle has seen no category",
    }
    for name in ("zero_shot", "head"):
        print(f"{name:<10} accuracy {result[name]['accuracy']:.3f}")
    print(f"named at score .5: {result['zero_shot']['named_share']:.2f}, of these right "
          f"{result['zero_shot']['accuracy_where_named']:.3f}")  # fmt: skip
    print(json.dumps(result["zero_shot_confusion"], ensure_ascii=False))
    given.out.write_text(json.dumps(head | result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
