"""Sentences among phrases: SST-2 holds the parts of its sentences as texts of their own.

    python -m bench.phrases FILE ... --out SENTENCES.tsv

Writes the sentences of the last FILE, for `--exclude` of a training run that is measured on them.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from stream_app.training.model import labelled


def spaced(text: str) -> str:
    """The words of a text in lower case, one space between."""
    return " ".join(text.lower().split())


def windows(text: str) -> Iterator[str]:
    """All runs of words of a text, itself included."""
    words = spaced(text).split()
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            yield " ".join(words[start:end])


def proper_parts(texts: list[str]) -> set[str]:
    """All runs of words that are part of a longer one of the texts."""
    return {part for text in texts for part in windows(text) if part != spaced(text)}


def sentences(files: Sequence[Path]) -> list[labelled.Labelled]:
    """The texts of the last file that are part of no other text of the files."""
    read = [labelled.read(file) for file in files]
    parts = proper_parts([text for rows in read for text, _ in rows])
    return [row for row in read[-1] if spaced(row[0]) not in parts]


def main() -> None:
    """Write the sentences with their labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["sentence", "label"])
        writer.writerows(sentences(options.files))


if __name__ == "__main__":
    main()
