"""Measuring a bundle on labelled texts."""

import csv
import json
import os
import platform
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.batching import Inference
from models.data import LABELS, normal_form
from models.metrics import f1_scores

TEXT_COLUMNS = ("text", "review", "sentence")
BINARY = {"0": "negative", "1": "positive"}
Labelled = tuple[str, str]


def read_labelled(file: Path) -> list[Labelled]:
    """(text, label) of a .csv, .tsv or .jsonl file; raises ValueError naming the place.

    The text is in `text`, `review` or `sentence`, the label in `label`: one of `LABELS`, or 0
    for negative and 1 for positive.
    """
    rows: Iterator[dict[str, Any]]
    with file.open(encoding="utf-8-sig", newline="") as stream:
        if file.suffix == ".jsonl":
            rows = (json.loads(line) for line in stream if line.strip())
        elif file.suffix == ".tsv":
            rows = iter(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        elif file.suffix == ".csv":
            rows = iter(csv.DictReader(stream))
        else:
            raise ValueError(f"{file}: not .csv, .tsv or .jsonl")
        labelled = []
        for number, row in enumerate(rows, 1):
            column = next((c for c in TEXT_COLUMNS if c in row), None)
            label = str(row.get("label"))
            label = BINARY.get(label, label)
            if column is None or label not in LABELS:
                raise ValueError(f"{file}: row {number} has no text or no usable label")
            if str(row[column]).strip():
                labelled.append((str(row[column]), label))
    return labelled


def unseen(rows: Iterable[Labelled], trained: Iterable[str]) -> list[Labelled]:
    """Rows whose text is neither a training text nor a part of one."""
    known = "\0".join(normal_form(text) for text in trained)
    return [row for row in rows if normal_form(row[0]) not in known]


def sample(rows: Sequence[Labelled], limit: int, seed: int = 0) -> list[Labelled]:
    """At most `limit` rows, drawn with a fixed seed; all for limit 0."""
    if not limit or len(rows) <= limit:
        return list(rows)
    return random.Random(seed).sample(rows, limit)


def evaluate(inference: Inference, rows: Sequence[Labelled]) -> dict[str, float]:
    """Accuracy, macro-F1 and speed on labelled texts.

    The prediction is the most probable of the classes that occur among the labels, so that a
    set without neutral texts is judged as the two-class task it is; `neutral_share` tells how
    often neutral would have won there.
    """
    labels = np.array([LABELS.index(label) for _, label in rows])
    present = sorted(set(labels.tolist()))
    inference.infer([text for text, _ in rows[:16]])
    started = time.perf_counter()
    outputs = inference.infer([text for text, _ in rows])
    seconds = time.perf_counter() - started
    if outputs.errors:
        raise next(iter(outputs.errors.values()))
    probabilities = outputs.probabilities
    predicted = np.array(present)[probabilities[:, present].argmax(axis=1)]
    scores = f1_scores(predicted, labels)
    return {
        "rows": len(rows),
        "accuracy": round(float((predicted == labels).mean()), 4),
        "macro_f1": round(float(np.mean([scores[c] for c in present])), 4),
        "neutral_share": round(float((probabilities.argmax(axis=1) == 1).mean()), 4),
        "tokens": round(float(np.mean([len(e) for e in inference.model.encode(
            [text for text, _ in rows])])), 1),
        "texts_per_second": round(len(rows) / seconds, 1),
    }  # fmt: skip


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
