"""Catalogue items of a file, with their embeddings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stream_app.inference.batching import Inference
from stream_app.messages.vectors import pack
from stream_app.processors.catalogue import item_text
from stream_app.schemas import Item, ItemVector
from stream_app.training.recommender.log import LogError, field, rows


def read(file: Path) -> dict[str, Item]:
    """Items by id, of a file with the fields of the topic `items` or of common data sets."""
    found = {}
    for row in rows(file):
        item_id = field(row, "item")
        if item_id is None:
            raise LogError(f"{file}: a row without item: {str(row)[:80]}")
        categories = _texts(field(row, "category"))
        found[str(item_id)] = Item(
            str(item_id),
            " ".join(_texts(field(row, "title")))[:500] or str(item_id),
            " ".join(_texts(field(row, "description")))[:10_000],
            categories[0][:128] if categories else "",
            " ".join(_texts(field(row, "seller")))[:128],
            tags=[tag[:128] for tag in categories[1:50]],
        )
    return found


def vectors(
    ids: Sequence[str], items: dict[str, Item], inference: Inference | None
) -> list[ItemVector]:
    """An entry for each id; embeddings are zero for items without text or without a model."""
    known = [items.get(item_id) for item_id in ids]
    embedded = np.zeros((len(ids), inference.dimensions if inference else 1), np.float32)
    if inference is not None:
        places = [place for place, item in enumerate(known) if item is not None]
        embedded[places] = inference.infer([item_text(item) for item in known if item]).embedding
    return [
        ItemVector(item or Item(item_id, item_id), pack(vector), "")
        for item_id, item, vector in zip(ids, known, embedded, strict=True)
    ]


def _texts(value: Any) -> list[str]:
    """The parts of a list, of a text with bars (MovieLens' genres), or of one text; None: none."""
    parts = value if isinstance(value, list) else str(value or "").split("|")
    return list(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))
