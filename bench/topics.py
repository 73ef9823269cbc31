"""Topics by similarity to descriptions alone, and by a head learnt from examples.

    python -m bench.topics [path/to/zh_shopping/train.csv] [--bundle DIR]

Profiles: those shipped, on tests/inference/topics.jsonl, which nothing is fitted to. Micro-F1 over
the topics named; `unknown` is the share of texts without a topic that are given none. The file,
if given, has the columns `category` (one of ten goods) and `review`; its descriptions below were
written before the first measurement and are not tuned on it, its heads are fitted to other rows.
"""

import argparse
import csv
import json
import random
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stream_app import profiles
from stream_app.inference.batching import Inference
from stream_app.inference.bundle import default_bundle, load
from stream_app.inference.measures import Floats
from stream_app.inference.runtime import Model
from stream_app.inference.topic_head import TopicHead
from stream_app.inference.topics import TopicScorer
from stream_app.training.model.data import normal_form
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "topics.json"
LABELLED = Path(__file__).parents[1] / "tests" / "inference" / "topics.jsonl"
THRESHOLD = 0.5
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


def agreement(named: Sequence[Collection[str]], true: Sequence[Collection[str]]) -> dict[str, Any]:
    """Micro precision, recall and F1 of the topics named, and how many unknown texts stay so."""
    hits = sum(len(set(n) & set(t)) for n, t in zip(named, true, strict=True))
    said, meant = sum(map(len, named)), sum(map(len, true))
    none = [not n for n, t in zip(named, true, strict=True) if not t]
    return {
        "precision": round(hits / max(said, 1), 4),
        "recall": round(hits / max(meant, 1), 4),
        "f1": round(2 * hits / max(said + meant, 1), 4),
        "unknown": round(sum(none) / max(len(none), 1), 4),
    }


def of_profiles(inference: Inference) -> dict[str, Any]:
    """Both ways on every profile's labelled texts."""
    labelled = [json.loads(line) for line in LABELLED.read_text("utf-8").splitlines()]
    figures: dict[str, Any] = {}
    for name in profiles.shipped():
        profile = profiles.load(name)
        descriptions = [(topic.id, topic.descriptions) for topic in profile.topics]
        examples = [(example.text, example.topics) for example in profile.examples]
        own = [row for row in labelled if row["profile"] == name]
        vectors = inference.infer([row["text"] for row in own]).embedding
        true = [row["topics"] for row in own]
        figures[name] = {"texts": len(own), "examples": len(examples)}
        for way, given in (("similarity", []), ("head", examples)):
            if way == "similarity" or given:
                scorer = TopicScorer(descriptions, inference, examples=given)
                named = [[topic.id for topic in found] for found in scorer.topics(vectors)]
                figures[name][way] = agreement(named, true)
    return figures


def of_goods(inference: Inference, file: Path, train: int, test: int) -> dict[str, Any]:
    """Accuracy of the best topic, and how much is named how rightly, on the same texts."""
    fitted, measured = rows(file, train, test)
    ids = list(DESCRIPTIONS)
    vectors = inference.infer([text for text, _ in measured]).embedding
    known = inference.infer([text for text, _ in fitted]).embedding
    truth = np.array([category for _, category in measured])

    def judged(scores: Floats) -> dict[str, Any]:
        best = np.array(ids)[scores.argmax(axis=1)]
        named = scores.max(axis=1) >= THRESHOLD
        right = best == truth
        return {
            "accuracy": round(float(right.mean()), 4),
            "named": round(float(named.mean()), 4),
            "right_where_named": round(float(right[named].mean()), 4) if named.any() else None,
            "by_category": {c: round(float(right[truth == c].mean()), 4) for c in ids},
        }

    scorer = TopicScorer(list(DESCRIPTIONS.items()), inference)
    figures = {"texts": len(measured), "zero_shot": judged(scorer.score(vectors))}
    for count in (100, 300, 1000, train):
        topics = [[category] for _, category in fitted[:count]]
        head = TopicHead.fit(ids, known[:count], topics)
        figures[f"head_of_{count}"] = judged(head.score(vectors))
    return figures


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path, nargs="?", help="zh_shopping's train.csv")
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--train", type=int, default=3000, help="most texts for a head")
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    inference = Inference(Model(load(given.bundle)), cache_size=0)
    body: dict[str, Any] = {
        "command": "python -m bench.topics zh_shopping/train.csv",
        "date": today(),
        "machine": machine(),
        "bundle": inference.version,
        "profiles": of_profiles(inference),
    }
    for name, figures in body["profiles"].items():
        print(name, json.dumps(figures))
    if given.file:
        body["data"] = "ChineseNlpCorpus online_shopping_10_cats; the bundle has seen no category"
        body["goods"] = of_goods(inference, given.file, given.train, given.test)
        for way, figures in body["goods"].items():
            print(way, figures if way == "texts" else {k: figures[k] for k in list(figures)[:3]})
    given.out.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
