import numpy as np
import pytest

from stream_app.inference.batching import Inference

PLAIN = [
    ("Terrible service, never again.", "negative"),
    ("It stopped working after a week and nobody answers.", "negative"),
    ("质量太差了，要求退货", "negative"),
    ("屏幕碎了，客服不理人", "negative"),
    ("I love it, works perfectly.", "positive"),
    ("Great value, the whole family is happy with it.", "positive"),
    ("非常喜欢，强烈推荐", "positive"),
    ("味道很好，送餐也快，下次还来", "positive"),
    ("The package arrived on Tuesday.", "neutral"),
    ("Does it come in black?", "neutral"),
    ("公司今天发布了第三季度财报", "neutral"),
]


@pytest.mark.parametrize(("text", "sentiment"), PLAIN)
def test_plain_sentences(inference: Inference, text: str, sentiment: str) -> None:
    outputs = inference.infer([text])
    assert inference.labels[int(outputs.probabilities[0].argmax())] == sentiment


def test_intensity_has_the_sign_of_the_opinion(inference: Inference) -> None:
    outputs = inference.infer([text for text, _ in PLAIN])
    assert (outputs.intensity[:4] < -0.5).all()
    assert (outputs.intensity[4:8] > 0.5).all()
    assert (np.abs(outputs.intensity[8:]) < 0.5).all()


def test_a_long_review_is_read_to_its_end(inference: Inference) -> None:
    story = "We arrived in the evening and were shown to the room on the fourth floor. " * 20
    end = "Dirty, noisy, and the staff were rude: the worst hotel I have ever stayed in."
    plain, bad = inference.infer([story, story + end]).intensity
    assert bad < plain - 0.3


def test_the_session_says_where_it_runs(inference: Inference) -> None:
    assert inference.model.provider == "CPUExecutionProvider"


def test_odd_texts_are_answered(inference: Inference) -> None:
    outputs = inference.infer(["", " ", "👍", "a" * 5000, "\x00", "好" * 3000])
    assert not outputs.errors
    assert np.isfinite(outputs.embedding).all()
