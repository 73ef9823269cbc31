import itertools
import random
from typing import NamedTuple

import numpy as np
import pytest

from stream_app.demo import corpus
from stream_app.emerging.clusters import Discovery, Emerging, Rule
from stream_app.emerging.linkage import link
from stream_app.emerging.words import words
from stream_app.inference.batching import Inference
from stream_app.inference.measures import Floats
from stream_app.inference.topics import TopicScorer
from stream_app.profiles import load
from stream_app.schemas import decode
from stream_app.training.model.data import EXAMPLES

DAY = 86_400.0
FALSE = 6
"""Most topics that a stream of unlike texts may be said to hold, of 1,950 texts."""

# Loyalty points: no topic of the shop's profile.
POINTS_ZH = [
    f"{who}{what}{end}"
    for who, what, end in itertools.product(
        ["我攒了两年的积分", "会员积分", "账户里三千积分", "老顾客的积分", "积分"],
        ["说过期就过期", "突然清零了", "兑换不了优惠券", "被系统扣光", "没有到账"],
        ["，没人通知我。"],
    )
]
POINTS_EN = [
    f"{who} {what}."
    for who, what in itertools.product(
        ["My loyalty points", "All my reward points", "The points in my member account",
         "Three years of bonus points", "The loyalty points from my last orders"],
        ["expired without a warning", "were wiped overnight", "cannot be redeemed any more",
         "never showed up", "disappeared after the update"],
    )
]  # fmt: skip
POINTS = POINTS_ZH + POINTS_EN
TELLING = {"积分", "points", "loyalty", "清零", "过期", "兑换"}


class Stream(NamedTuple):
    texts: list[str]
    vectors: Floats
    known: list[bool]
    descriptions: Floats


@pytest.fixture(scope="module")
def stream(inference: Inference) -> Stream:
    """50 planted texts, then 1,950 others: reviews, sentences of all kinds, and pairs of them."""
    singles = [review.text for review in corpus.load().reviews]
    singles += [decode(row, dict)["text"] for row in _examples()]
    singles = list(dict.fromkeys(singles))
    rng = random.Random(5)
    pairs = [" ".join(rng.sample(singles, 2)) for _ in range(1950 - len(singles))]
    texts = POINTS + singles + pairs
    vectors = inference.infer(texts).embedding
    topics = load("shop").topics
    scorer = TopicScorer([(topic.id, topic.descriptions) for topic in topics], inference)
    descriptions = inference.infer([text for t in topics for text in t.descriptions]).embedding
    return Stream(texts, vectors, [bool(t) for t in scorer.topics(vectors)], descriptions)


def _examples() -> list[bytes]:
    return (EXAMPLES / "sentiment.jsonl").read_bytes().splitlines()


def read(stream: Stream, seed: int, rows: range) -> list[Emerging]:
    """The topics after `rows` of the stream in a random order over a week."""
    rng = random.Random(seed)
    order = rng.sample(rows, len(rows))
    discovery = Discovery(stream.vectors.shape[1])
    for step, row in enumerate(order):
        time = 7 * DAY * step / len(order)
        discovery.add(stream.texts[row], stream.vectors[row], time, known=stream.known[row])
    return discovery.emerging(stream.descriptions)


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_a_planted_topic_is_found_and_named_in_any_order(stream: Stream, seed: int) -> None:
    found = read(stream, seed, range(2000))
    (points,) = [topic for topic in found if TELLING & set(topic.words)]
    assert 35 <= points.size <= 75
    assert points.words[0] in TELLING
    assert {"积分", "points"} <= set(points.words)
    assert len(points.examples) == 3 and any(text in POINTS for text in points.examples)
    assert 0 <= points.first < DAY and 6 * DAY < points.last < 7 * DAY


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_without_it_few_topics_are_seen(stream: Stream, seed: int) -> None:
    found = read(stream, seed, range(50, 2000))
    assert len(found) <= FALSE, [(t.size, t.coherence, t.words) for t in found]
    assert not any(TELLING & set(topic.words) for topic in found)


def test_a_topic_is_emerging_while_it_is_recent(inference: Inference) -> None:
    vectors = inference.infer(POINTS).embedding
    discovery = Discovery(vectors.shape[1], Rule(half_life=DAY, sureness=-99.0))
    # Nothing to tell its words from: any will do.
    for text, vector in zip(POINTS, vectors, strict=True):
        discovery.add(text, vector, 100 * DAY)
    (topic,) = discovery.emerging()
    assert topic.size == 50 and topic.weight == pytest.approx(50)
    assert discovery.emerging(topic.centre[None, :]) == []
    discovery.add("something else", -topic.centre, 101 * DAY)
    assert discovery.emerging()[0].weight == pytest.approx(25)
    discovery.add("something else", -topic.centre, 103 * DAY)
    assert discovery.emerging() == []
    discovery.add("something else", -topic.centre, 200 * DAY)
    assert len(discovery) == 1


def test_a_late_text_counts_what_it_would_have_in_time() -> None:
    axis = np.eye(8, dtype=np.float32)[0]
    rule = Rule(half_life=DAY, reviews=1, sureness=-99.0)
    times = [0.0, DAY, 2 * DAY, 40 * DAY, 39 * DAY]
    first, second = Discovery(8, rule), Discovery(8, rule)
    for time in times:
        first.add("some words here", axis, time)
    for time in sorted(times):
        second.add("some words here", axis, time)
    assert first.emerging()[0][:4] == second.emerging()[0][:4]
    assert first.emerging()[0].weight == pytest.approx(1.5)


def test_memory_stays_bounded_under_noise() -> None:
    rng = np.random.default_rng(3)
    rule = Rule(clusters=32, terms=8, background=256)
    discovery = Discovery(64, rule)
    for step in range(20_000):
        text = " ".join("".join(chr(97 + c) for c in rng.integers(0, 26, 4)) for _ in range(5))
        discovery.add(text, rng.normal(size=64).astype(np.float32), float(step))
        assert len(discovery) <= rule.clusters
    # Sums, examples of 24 letters, words of 4 letters with their counts.
    assert len(discovery.encode()) < 32 * (4 * 64 + 3 * 26 + 8 * 14 + 64) + 256 * 14 + 256


def test_bytes_hold_the_whole_state(stream: Stream) -> None:
    dimensions = stream.vectors.shape[1]
    whole = Discovery(dimensions)
    for step in range(400):
        if step == 200:
            copy = Discovery.decode(whole.encode())
        for one in [whole] if step < 200 else [whole, copy]:
            one.add(stream.texts[step], stream.vectors[step], step * 600.0)
    assert copy.encode() == whole.encode()
    assert str(copy.emerging()) == str(whole.emerging())
    with pytest.raises(ValueError, match="version"):
        Discovery.decode(b"\x94\x63\x01\x80\xc4\x00")


def test_an_embedding_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        Discovery(8).add("text", np.zeros(4, np.float32), 0.0)
    assert Discovery(8).emerging() == []


def test_what_has_no_direction_joins_nothing() -> None:
    discovery = Discovery(8)
    discovery.add("text", np.zeros(8, np.float32), 0.0)
    assert len(discovery) == 0


def test_linkage_joins_by_the_average_over_members() -> None:
    rng = np.random.default_rng(1)
    members = [rng.normal(size=(n, 6)) + 3 * np.eye(6)[i % 2] for i, n in enumerate((3, 9, 2, 5))]
    means = np.array([group.mean(axis=0) for group in members], np.float32)
    groups = link(means, [3, 9, 2, 5], 4.0)
    assert sorted(map(sorted, groups)) == [[0, 2], [1, 3]]
    assert sorted(map(len, link(means, [3, 9, 2, 5], -99.0))) == [4]


def test_words_of_both_languages() -> None:
    assert words("热水器的安装费, the Battery battery 123 is ok, [ID_CARD]") == [
        "热水器",
        "安装费",
        "the",
        "battery",
    ]
