"""200 hard sentences of both languages, never trained on."""

import json
from collections import Counter
from pathlib import Path

from stream_app.inference.batching import Inference
from stream_app.training.model.data import LABELS, example_rows

HARD = [
    json.loads(line)
    for line in (Path(__file__).parent / "hard.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_the_hard_sentences_are_no_training_examples() -> None:
    trained = {row.text.strip(" .。!！").casefold() for row in example_rows()}
    assert len(HARD) == 200
    assert Counter(row["language"] for row in HARD) == {"en": 100, "zh": 100}
    assert not trained & {row["text"].strip(" .。!！").casefold() for row in HARD}


def test_the_shipped_bundle_reads_four_in_five_of_them(inference: Inference) -> None:
    """Irony, negation, mixed opinions and bare facts, three classes."""
    out = inference.infer([row["text"] for row in HARD])
    assert not out.errors
    read = [LABELS[number] for number in out.probabilities.argmax(axis=1)]
    right = sum(label == row["label"] for label, row in zip(read, HARD, strict=True))
    assert right >= 0.8 * len(HARD)
