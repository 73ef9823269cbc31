"""Measuring a bundle on labelled texts."""

import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from stream_app.inference.batching import Inference
from stream_app.inference.measures import calibration_error, f1_scores, predict_present
from stream_app.training.model.data import LABELS
from stream_app.training.model.labelled import Labelled


def evaluate(
    inference: Inference, rows: Sequence[Labelled], errors: bool = False
) -> dict[str, Any]:
    """Accuracy, macro-F1, each class, calibration, confusion and speed on labelled texts.

    The prediction is the most probable of the classes that occur among the labels, so that a
    set without neutral texts is judged as the two-class task it is; `neutral_share` is how
    often neutral would have won there. Calibration is that of these classes' probabilities,
    scaled to sum to 1. With `errors`, the misread texts are listed too.
    """
    labels = np.array([LABELS.index(label) for _, label in rows])
    present = sorted(set(labels.tolist()))
    inference.infer([text for text, _ in rows[:16]])
    started = time.perf_counter()
    outputs = inference.infer([text for text, _ in rows])
    seconds = time.perf_counter() - started
    if outputs.errors:
        raise next(iter(outputs.errors.values()))
    among = outputs.probabilities[:, present]
    predicted = predict_present(outputs.probabilities, labels)
    scores = f1_scores(predicted, labels)
    confusion = np.zeros((3, 3), int)
    np.add.at(confusion, (labels, predicted), 1)
    lengths = [len(e) for e in inference.model.encode([text for text, _ in rows])]
    result: dict[str, Any] = {
        "rows": len(rows),
        "accuracy": round(float((predicted == labels).mean()), 4),
        "macro_f1": round(float(np.mean([scores[c] for c in present])), 4),
        "calibration_error": round(
            calibration_error(
                among / among.sum(axis=1, keepdims=True), np.searchsorted(present, labels)
            ),
            4,
        ),
        "neutral_share": round(float((outputs.probabilities.argmax(axis=1) == 1).mean()), 4),
        "classes": {
            LABELS[c]: {
                "rows": int(confusion[c].sum()),
                "precision": _ratio(confusion[c, c], confusion[:, c].sum()),
                "recall": _ratio(confusion[c, c], confusion[c].sum()),
                "f1": round(scores[c], 4),
            }
            for c in present
        },
        "confusion": {
            LABELS[c]: {LABELS[p]: int(confusion[c, p]) for p in present} for c in present
        },
        "tokens": round(float(np.mean(lengths)), 1),
        "texts_per_second": round(len(rows) / seconds, 1),
    }
    if errors:
        result["errors"] = [
            {"text": text, "label": label, "predicted": LABELS[guess]}
            for (text, label), guess in zip(rows, predicted, strict=True)
            if label != LABELS[guess]
        ]
    return result


def table(name: str, result: dict[str, Any]) -> str:
    """The result of one set for people."""
    lines = [
        f"{name}: {result['rows']} rows, accuracy {result['accuracy']:.3f}, "
        f"macro-F1 {result['macro_f1']:.3f}, calibration error {result['calibration_error']:.3f}, "
        f"{result['texts_per_second']:.0f} texts/s",
        f"  {'':<10}{'rows':>7}{'precision':>11}{'recall':>9}{'F1':>7}   predicted "
        + ", ".join(result["confusion"]),
    ]
    for label, row in result["classes"].items():
        seen = ", ".join(str(n) for n in result["confusion"][label].values())
        lines.append(
            f"  {label:<10}{row['rows']:>7}{row['precision']:>11.3f}{row['recall']:>9.3f}"
            f"{row['f1']:>7.3f}   {seen}"
        )
    return "\n".join(lines)


def _ratio(part: int, total: int) -> float:
    return round(float(part / total), 4) if total else 0.0


def machine() -> dict[str, str | int]:
    """Processor and cores, as results name them."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": os.cpu_count() or 1}


def today() -> str:
    """Date of the measurement, UTC."""
    return datetime.now(UTC).date().isoformat()
