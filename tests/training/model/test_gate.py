"""What may be promoted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stream_app.inference.batching import Inference
from stream_app.inference.bundle import load
from stream_app.inference.runtime import Model
from stream_app.training.model.data import LABELS, example_rows
from stream_app.training.model.gate import Limits, Verdict, _refusals, judge, record_force

ROWS = [(row.text, LABELS[row.label]) for row in example_rows()][::8]
Variant = Callable[..., Path]
# Speed is not what these are about, and the machine may be busy.
ANY_SPEED = Limits(speed=0.0)


def judged(shipped: Model, folder: Path) -> Verdict:
    candidate = Inference(Model(load(folder)), cache_size=0)
    current = Inference(shipped, cache_size=0)
    return judge(candidate, current, ROWS, current, ANY_SPEED)


def test_a_bundle_as_good_may_serve(shipped: Model, variant: Variant) -> None:
    verdict = judged(shipped, variant("same-2"))
    assert verdict.refusals == []
    assert verdict.figures["likeness"] == pytest.approx(1.0, abs=1e-3)
    assert verdict.figures["candidate_accuracy"] == verdict.figures["float32_accuracy"]


def test_a_badly_calibrated_bundle_is_refused(shipped: Model, variant: Variant) -> None:
    verdict = judged(shipped, variant("vague-1", temperature=6.0))
    (refusal,) = verdict.refusals
    assert "calibration" in refusal


def test_other_labels_are_refused(shipped: Model, variant: Variant) -> None:
    verdict = judged(shipped, variant("odd-1", labels=["positive", "neutral", "negative"]))
    (refusal,) = verdict.refusals
    assert "labels" in refusal


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"candidate_accuracy": 0.894}, "int8"),
        ({"candidate_accuracy": 0.88, "float32_accuracy": 0.88}, "accuracy"),
        ({"candidate_calibration_error": 0.08}, "calibration"),
        ({"speed": 0.8}, "speed"),
        ({"likeness": 0.5}, "stored vectors"),
    ],
)
def test_each_limit_holds(changed: dict[str, float], word: str) -> None:
    good = {
        "candidate_accuracy": 0.9, "current_accuracy": 0.9, "float32_accuracy": 0.9,
        "candidate_calibration_error": 0.05, "current_calibration_error": 0.05,
        "speed": 1.0, "likeness": 0.99,
    }  # fmt: skip
    assert list(_refusals(good, Limits())) == []
    (refusal,) = _refusals(good | changed, Limits())
    assert word in refusal


def test_force_is_written_into_the_card(variant: Variant) -> None:
    folder = variant("forced-1")
    record_force(load(folder), ["0.80 of the present speed"], "2026-01-02")
    assert "in spite of:\n- 0.80 of the present speed" in (folder / "README.md").read_text()
    load(folder)
