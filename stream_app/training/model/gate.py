"""Whether a bundle may replace another: both measured on the same texts in one run."""

import json
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stream_app.inference.batching import Inference
from stream_app.inference.bundle import Bundle, mismatch, write_checksums
from stream_app.inference.measures import calibration_error, predict_present
from stream_app.inference.runtime import Outputs
from stream_app.training.model import card
from stream_app.training.model.data import LABELS

ROUNDS = 3


class Limits(NamedTuple):
    """What a candidate may be worse by."""

    int8: float = 0.005
    """Accuracy lost to its own float32."""
    accuracy: float = 0.01
    """Accuracy lost to the current bundle."""
    calibration: float = 0.02
    """Expected calibration error above the current bundle's."""
    speed: float = 0.9
    """Least share of the current bundle's texts a second."""
    likeness: float = 0.9
    """Least mean cosine of its embeddings with the current bundle's: tables and the catalogue
    hold vectors of the bundles before."""


class Verdict(NamedTuple):
    """What was measured, and why the candidate is refused; no reason: it may serve."""

    figures: dict[str, float]
    refusals: list[str]


def judge(
    candidate: Inference,
    current: Inference,
    rows: Sequence[tuple[str, str]],
    float32: Inference | None = None,
    limits: Limits | None = None,
) -> Verdict:
    """Measure a candidate on labelled texts; with `float32`, its own weights unquantised.

    Contestants take turns, so that a drifting machine is unfair to none. They must not cache.
    """
    limits = limits or Limits()
    reason = mismatch(candidate.model.bundle.config, current.model.bundle.config)
    if reason is not None:
        return Verdict({}, [reason])
    texts = [text for text, _ in rows]
    labels = np.array([LABELS.index(label) for _, label in rows])
    contestants = {"candidate": candidate, "current": current}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    outputs: dict[str, Outputs] = {}
    for _ in range(ROUNDS):
        for name, inference in contestants.items():
            start = time.perf_counter()
            outputs[name] = inference.infer(texts)
            seconds[name].append(time.perf_counter() - start)
    if float32 is not None:
        outputs["float32"] = float32.infer(texts)
    for out in outputs.values():
        for error in out.errors.values():
            raise error
    figures: dict[str, float] = {"rows": len(rows)}
    for name, out in outputs.items():
        right = predict_present(out.probabilities, labels) == labels
        figures[f"{name}_accuracy"] = float(right.mean())
        figures[f"{name}_calibration_error"] = calibration_error(out.probabilities, labels)
    for name, spent in seconds.items():
        figures[f"{name}_texts_per_second"] = len(rows) / statistics.median(spent)
    pairs = outputs["candidate"].embedding * outputs["current"].embedding
    figures["likeness"] = float(pairs.sum(axis=1).mean())
    figures["speed"] = figures["candidate_texts_per_second"] / figures["current_texts_per_second"]
    return Verdict({k: round(v, 4) for k, v in figures.items()}, list(_refusals(figures, limits)))


def _refusals(figures: dict[str, float], limits: Limits) -> list[str]:
    own, now = figures["candidate_accuracy"], figures["current_accuracy"]
    refusals = []
    if "float32_accuracy" in figures:
        lost = figures["float32_accuracy"] - own
        if lost > limits.int8:
            refusals.append(f"int8 loses {lost:.2%} to its float32, at most {limits.int8:.2%}")
    if now - own > limits.accuracy:
        refusals.append(f"accuracy {own:.2%}, now {now:.2%}, at most {limits.accuracy:.2%} less")
    own = figures["candidate_calibration_error"]
    now = figures["current_calibration_error"]
    if own - now > limits.calibration:
        refusals.append(
            f"calibration error {own:.3f}, now {now:.3f}, at most {limits.calibration:g} more"
        )
    if figures["speed"] < limits.speed:
        refusals.append(f"{figures['speed']:.2f} of the present speed, at least {limits.speed:g}")
    if figures["likeness"] < limits.likeness:
        refusals.append(
            f"embeddings have cosine {figures['likeness']:.2f} with the present ones, at least "
            f"{limits.likeness:g}: stored vectors would not compare"
        )
    return refusals


def record_force(bundle: Bundle, refusals: Sequence[str], date: str) -> None:
    """Write into the bundle's metrics and card that it was promoted in spite of the gate."""
    metrics = json.loads((bundle.path / "metrics.json").read_text(encoding="utf-8"))
    metrics.setdefault("forced", []).append({"date": date, "refusals": list(refusals)})
    card.write(bundle.path, bundle.config, metrics)
    write_checksums(bundle.path)
