"""Labelled texts out of a file: .csv, .tsv or .jsonl, labels as names, 0 and 1, or stars."""

import csv
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stream_app.training.model.data import LABELS, normal_form

TEXT_COLUMNS = ("text", "review", "sentence")
Labelled = tuple[str, str]


def read(file: Path, text_column: str | None = None, label_column: str = "label") -> list[Labelled]:
    """(text, label name) of each row with a text; raises ValueError naming the place.

    Without `text_column` the text is in the first of `text`, `review`, `sentence` that there is.
    Labels are names, 0 (negative) and 1 (positive), or 1 to 5 stars (3: neutral): all labels of
    the file together decide which.
    """
    found: list[tuple[str, str]] = []
    for number, row in enumerate(_rows(file), 1):
        column = text_column or next((c for c in TEXT_COLUMNS if c in row), None)
        if column is None or row.get(column) is None:
            raise ValueError(f"{file}: row {number} has no text: name its column")
        if row.get(label_column) is None:
            raise ValueError(f"{file}: row {number} has no {label_column}: name the label's column")
        found.append((str(row[column]), str(row[label_column]).strip().lower()))
    name = _scale({label for _, label in found}, file)
    return [(text, name(label)) for text, label in found if text.strip()]


def unseen(rows: Iterable[Labelled], trained: Iterable[str]) -> list[Labelled]:
    """Rows whose text is neither a training text nor a part of one."""
    known = "\0".join(normal_form(text) for text in trained)
    return [row for row in rows if normal_form(row[0]) not in known]


def sample(rows: Sequence[Labelled], limit: int, seed: int = 0) -> list[Labelled]:
    """At most `limit` rows, drawn with a fixed seed; all for limit 0."""
    if not limit or len(rows) <= limit:
        return list(rows)
    return random.Random(seed).sample(rows, limit)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        if file.suffix == ".jsonl":
            yield from (json.loads(line) for line in stream if line.strip())
        elif file.suffix == ".tsv":
            yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        elif file.suffix == ".csv":
            yield from csv.DictReader(stream)
        else:
            raise ValueError(f"{file}: not .csv, .tsv or .jsonl")


def _scale(labels: set[str], file: Path) -> Callable[[str], str]:
    """How the file's labels are named."""
    if labels <= set(LABELS):
        return str
    try:
        values = {label: float(label) for label in labels}
    except ValueError as error:
        odd = sorted(labels - set(LABELS))[0][:40]
        raise ValueError(f"{file}: {odd!r} is no label; known are {', '.join(LABELS)}") from error
    if set(values.values()) <= {0.0, 1.0}:
        return lambda label: "positive" if values[label] else "negative"
    if all(1 <= value <= 5 for value in values.values()):
        return lambda label: _stars(values[label])
    raise ValueError(f"{file}: labels are neither 0 and 1 nor 1 to 5 stars")


def _stars(stars: float) -> str:
    if stars < 3:
        return "negative"
    return "positive" if stars > 3 else "neutral"
