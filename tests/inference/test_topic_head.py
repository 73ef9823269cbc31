"""Topics learnt from a profile's examples."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.topics import agreement
from stream_app import profiles
from stream_app.inference.batching import Inference
from stream_app.inference.topic_head import TopicHead
from stream_app.inference.topics import TopicScorer
from stream_app.training.model.data import normal_form

LABELLED = [
    json.loads(line)
    for line in (Path(__file__).parent / "topics.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_a_head_finds_its_topics_both_and_none() -> None:
    rng = np.random.default_rng(1)
    axes = np.eye(8, dtype=np.float32)[:3]
    topics = [["a"], ["b"], ["a", "b"], []] * 20
    where = np.array([["a" in t, "b" in t, not t] for t in topics], np.float32) @ axes
    embeddings = (where + rng.normal(0, 0.05, where.shape)).astype(np.float32)
    head = TopicHead.fit(["a", "b"], embeddings, topics)
    scores = head.score(np.stack([axes[0], axes[1], axes[0] + axes[1], axes[2], 0 * axes[0]]))
    assert [[i for i in range(2) if s[i] >= 0.5] for s in scores] == [[0], [1], [0, 1], [], []]
    assert not scores[4].any() and scores.dtype == np.float32


def test_examples_must_fit_the_topics() -> None:
    embeddings = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="no such topic: c"):
        TopicHead.fit(["a"], embeddings, [["a"], ["c"]])
    with pytest.raises(ValueError, match="no example of b"):
        TopicHead.fit(["a", "b"], embeddings, [["a"], []])


@pytest.mark.parametrize("name", [n for n in profiles.shipped() if profiles.load(n).examples])
def test_a_shipped_head_beats_similarity_and_leaves_the_unknown(
    inference: Inference, name: str
) -> None:
    profile = profiles.load(name)
    own = [row for row in LABELLED if row["profile"] == name]
    assert not {normal_form(row["text"]) for row in own} & {
        normal_form(example.text) for example in profile.examples
    }
    descriptions = [(topic.id, topic.descriptions) for topic in profile.topics]
    examples = [(example.text, example.topics) for example in profile.examples]
    vectors = inference.infer([row["text"] for row in own]).embedding
    figures = []
    for given in ([], examples):
        scorer = TopicScorer(descriptions, inference, examples=given)
        named = [[topic.id for topic in found] for found in scorer.topics(vectors)]
        figures.append(agreement(named, [row["topics"] for row in own]))
    similarity, head = figures
    assert head["f1"] > similarity["f1"] + 0.1
    assert head["f1"] >= 0.7 and head["unknown"] >= 0.8
