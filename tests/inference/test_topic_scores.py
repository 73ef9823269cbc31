import numpy as np
import pytest

from stream_app.inference.batching import Inference
from stream_app.inference.topics import TopicScorer

TOPICS = [
    ("battery", ["the battery lasts all day", "充电很慢，电池不耐用"]),
    ("delivery", ["the parcel arrived late", "快递很快，第二天就到了"]),
    ("price", ["too expensive for what it is", "价格便宜，性价比高"]),
]


@pytest.fixture(scope="module")
def scorer(inference: Inference) -> TopicScorer:
    return TopicScorer(TOPICS, inference)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("the battery barely lasts an hour", "battery"),
        ("电池一天要充三次", "battery"),
        ("快递三天还没到", "delivery"),
        ("delivery took two weeks", "delivery"),
        ("价格太贵了", "price"),
    ],
)
def test_the_topic_is_found_in_either_language(
    inference: Inference, scorer: TopicScorer, text: str, topic: str
) -> None:
    (topics,) = scorer.topics(inference.infer([text]).embedding)
    assert topics and topics[0].id == topic


def test_what_is_near_nothing_stays_unknown(inference: Inference, scorer: TopicScorer) -> None:
    texts = ["The film is a quiet study of grief.", "今天天气很好，我们去公园散步"]
    assert scorer.topics(inference.infer(texts).embedding) == [[], []]


def test_scores_are_shares_of_the_right_shape(inference: Inference, scorer: TopicScorer) -> None:
    embedding = inference.infer(["good", "很好"]).embedding
    scores = scorer.score(np.concatenate([embedding, np.zeros_like(embedding[:1])]))
    assert scores.shape == (3, 3)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert not scores[2].any()
    assert scorer.score(embedding[:0]).shape == (0, 3)


def test_a_translation_is_the_nearest_text(inference: Inference) -> None:
    pairs = [
        ("电池很耐用", "the battery lasts long"),
        ("快递太慢了", "delivery was far too slow"),
        ("酒店早餐很好", "the hotel breakfast was great"),
        ("屏幕碎了", "the screen was cracked"),
        ("央行降息", "the central bank cut rates"),
        ("衣服太小了", "the clothes are too small"),
    ]
    vectors = inference.infer([text for pair in pairs for text in pair]).embedding
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    assert (cosines.argmax(axis=1) == np.arange(len(vectors)) ^ 1).all()
