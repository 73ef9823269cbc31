"""Measures of a classifier, in numpy."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Row-wise softmax of logits / temperature, float32."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    powers = np.exp(scaled)
    result: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Temperature with the least log loss (Guo et al., ICML 2017), by a grid from 0.5 to 5."""
    rows = np.arange(len(labels))
    grid = np.geomspace(0.5, 5.0, 93)
    losses = [-np.log(softmax(logits, t)[rows, labels] + 1e-12).mean() for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)


def f1_scores(predicted: Ints, labels: Ints, classes: int = 3) -> list[float]:
    """F1 of each class; 0 where a class is neither present nor predicted."""
    scores = []
    for c in range(classes):
        hit = int(((predicted == c) & (labels == c)).sum())
        total = int((predicted == c).sum() + (labels == c).sum())
        scores.append(2 * hit / total if total else 0.0)
    return scores


def predict_present(scores: Floats, labels: Ints) -> Ints:
    """The best class of each row of `scores` [n, classes] among those that occur in `labels`: a
    set without neutral texts is the two-class task it is."""
    present = np.unique(labels)
    predicted: Ints = present[scores[:, present].argmax(axis=1)]
    return predicted


def calibration_error(probabilities: Floats, labels: Ints, bins: int = 10) -> float:
    """Expected calibration error of the most probable class, equal-width bins."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    slot = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = slot == b
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def summary(logits: Floats, labels: Ints, temperature: float = 1.0) -> dict[str, float]:
    """Rows, accuracy, macro-F1 over the classes present, calibration error."""
    probabilities = softmax(logits, temperature)
    predicted = probabilities.argmax(axis=1)
    scores = f1_scores(predicted, labels)
    present = [scores[c] for c in range(3) if (labels == c).any()]
    return {
        "rows": len(labels),
        "accuracy": round(float((predicted == labels).mean()), 4),
        "macro_f1": round(float(np.mean(present)), 4),
        "calibration_error": round(calibration_error(probabilities, labels), 4),
    }
