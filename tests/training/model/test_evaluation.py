"""What `evaluate` says about a bundle."""

from stream_app.inference.batching import Inference
from stream_app.training.model.evaluation import evaluate, table

ROWS = [
    ("Terrible, it broke at once.", "negative"),
    ("I love it, works perfectly.", "positive"),
    ("非常喜欢，强烈推荐", "positive"),
    ("质量太差了，要求退货", "positive"),  # labelled wrongly: the error to find
]


def test_an_error_shows_in_every_figure(inference: Inference) -> None:
    result = evaluate(inference, ROWS)
    assert result["accuracy"] == 0.75
    assert result["confusion"] == {
        "negative": {"negative": 1, "positive": 0},
        "positive": {"negative": 1, "positive": 2},
    }
    assert result["classes"]["negative"]["precision"] == 0.5
    assert result["classes"]["positive"]["recall"] == 0.6667
    assert 0.1 < result["calibration_error"] < 0.5
    assert "negative" in table("four", result)
