"""200 hard sentences of both languages, never trained on."""

import json
from collections import Counter
from pathlib import Path

from models.data import example_rows

HARD = [
    json.loads(line)
    for line in (Path(__file__).parent / "hard.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_the_hard_sentences_are_no_training_examples() -> None:
    trained = {row.text.strip(" .。!！").casefold() for row in example_rows()}
    assert len(HARD) == 200
    assert Counter(row["language"] for row in HARD) == {"en": 100, "zh": 100}
    assert not trained & {row["text"].strip(" .。!！").casefold() for row in HARD}
