"""Interactions of a file as one log in the order of time, then user, then arrival, then item."""

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

POSITIVE = 4.0
"""Least stars of an interaction that a recommender should have foreseen."""
PRAISE = 0.2
"""Least intensity of one without stars."""

# Names under which common data sets keep each field; the first that a file has is taken.
FIELDS = {
    "user": ("user_id", "userId", "reviewerID", "user"),
    "item": ("item_id", "movieId", "asin", "parent_asin", "item"),
    "stars": ("stars", "rating", "overall"),
    "time": ("time", "timestamp", "unixReviewTime"),
    "text": ("text", "reviewText"),
    "kind": ("kind",),
    "title": ("title",),
    "category": ("category", "genres", "categories"),
    "description": ("description",),
    "seller": ("seller", "brand"),
}


class LogError(ValueError):
    """A file that cannot be read as interactions; one line says why."""


@dataclass(frozen=True)
class Interaction:
    """Something a user did with an item."""

    time: float
    user: str
    item: str
    stars: float | None = None
    text: str = ""
    kind: str = "review"
    intensity: float | None = None
    """Of the text, -1 to 1, where a model has inferred it."""
    vector: str = ""
    """The text's embedding, likewise, in base64."""
    order: int = 0
    """Offset at its source: of a user's events of one time, what came first stands first. A file's
    rows have none."""
    id: int = 0
    """Hash of the event's id."""

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among a user's events of one time, as in the user's record."""
        return self.order & 0xFFFFFFFF, self.id

    @property
    def sentiment(self) -> float:
        """The text's intensity, -1 to 1; where no model has inferred it, what the stars say."""
        if self.intensity is not None:
            return self.intensity
        return 0.0 if self.stars is None else (self.stars - 3) / 2

    @property
    def positive(self) -> bool:
        """Whether a recommender should have foreseen it."""
        if self.stars is not None:
            return self.stars >= POSITIVE
        if self.intensity is not None:
            return self.intensity >= PRAISE
        return self.kind != "hide"


@dataclass(frozen=True)
class Log:
    """Interactions as columns, all of one length, oldest first.

    Users and items are numbered in the order of their ids as text, so that equal scores fall in
    the same order whatever model gave them and whatever the time at which an item came.
    """

    time: NDArray[np.float64]
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    positive: NDArray[np.bool_]
    users: Sequence[str]
    items: Sequence[str]
    interactions: Sequence[Interaction]

    def __len__(self) -> int:
        return len(self.time)

    def before(self, end: int) -> "Log":
        """The first `end` interactions; users and items keep their numbers."""
        return self.chosen(np.arange(end))

    def chosen(self, rows: NDArray[np.int64]) -> "Log":
        """Some interactions, in the order given."""
        return Log(
            self.time[rows], self.user[rows], self.item[rows], self.positive[rows],
            self.users, self.items, [self.interactions[row] for row in rows],
        )  # fmt: skip

    def joined(self, later: "Log", end: int) -> "Log":
        """This log and the first `end` interactions of a later one with the same numbers."""
        more = later.before(end)
        return Log(
            np.concatenate([self.time, more.time]), np.concatenate([self.user, more.user]),
            np.concatenate([self.item, more.item]),
            np.concatenate([self.positive, more.positive]), self.users, self.items,
            [*self.interactions, *more.interactions],
        )  # fmt: skip

    def only_text(self) -> "Log":
        """The same interactions without what is known besides their texts: their stars."""
        return replace(self, interactions=[replace(i, stars=None) for i in self.interactions])


def log_of(interactions: Iterable[Interaction]) -> Log:
    """The log of interactions in any order."""
    ordered = sorted(
        interactions, key=lambda i: (i.time, _as_number(i.user), i.place, _as_number(i.item))
    )
    users = sorted({i.user for i in ordered}, key=_as_number)
    items = sorted({i.item for i in ordered}, key=_as_number)
    user_number = {user: number for number, user in enumerate(users)}
    item_number = {item: number for number, item in enumerate(items)}
    return Log(
        np.array([i.time for i in ordered], np.float64),
        np.array([user_number[i.user] for i in ordered], np.int64),
        np.array([item_number[i.item] for i in ordered], np.int64),
        np.array([i.positive for i in ordered], bool),
        users,
        items,
        ordered,
    )


def _as_number(name: str) -> tuple[int, str]:
    """Ids of digits in the order of their numbers, before all others in that of their letters."""
    return (int(name), "") if name.isdecimal() and len(name) < 19 else (1 << 62, name)


def read(file: Path) -> Log:
    """The log of a CSV, TSV or JSON lines file, gzipped or not. Raises LogError."""
    interactions = []
    for line, row in enumerate(rows(file), start=1):
        try:
            interactions.append(_interaction(row))
        except (KeyError, ValueError) as error:
            raise LogError(f"{file}: row {line}: {error}") from error
    if not interactions:
        raise LogError(f"{file}: no interactions")
    return log_of(interactions)


def rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a CSV, TSV or JSON lines file, gzipped or not. Raises LogError."""
    name = file.name.removesuffix(".gz")
    kind = Path(name).suffix
    if kind not in (".csv", ".tsv", ".json", ".jsonl"):
        raise LogError(f"{file}: want .csv, .tsv, .json or .jsonl, gzipped or not")
    try:
        with _opened(file) as stream:
            if kind in (".csv", ".tsv"):
                yield from csv.DictReader(stream, delimiter="\t" if kind == ".tsv" else ",")
            else:
                yield from (json.loads(line) for line in stream if line.strip())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise LogError(f"{file}: {error}") from error


def _opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", newline="")
    return file.open(encoding="utf-8", newline="")


def field(row: dict[str, Any], name: str) -> Any:
    """A field under whichever of its names the row has; None without."""
    return next((row[n] for n in FIELDS[name] if row.get(n) not in (None, "", [])), None)


def _interaction(row: dict[str, Any]) -> Interaction:
    user, item, time = (field(row, name) for name in ("user", "item", "time"))
    for name, value in (("user", user), ("item", item), ("time", time)):
        if value is None:
            raise KeyError(f"no {name}: looked for {', '.join(FIELDS[name])}")
    stars = field(row, "stars")
    return Interaction(
        _seconds(str(time)),
        str(user),
        str(item),
        None if stars is None else float(stars),
        str(field(row, "text") or ""),
        str(field(row, "kind") or "review"),
    )


def _seconds(time: str) -> float:
    """Seconds since the epoch, of a number or an ISO 8601 time."""
    try:
        return float(time)
    except ValueError:
        return datetime.fromisoformat(time).timestamp()
