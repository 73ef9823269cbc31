"""Items to item vectors."""

from collections.abc import Sequence

import numpy as np

from stream_app import schemas
from stream_app.inference.live import Live
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import Message, Record, Result, StateReader, carried
from stream_app.messages.vectors import pack
from stream_app.processors.validity import event_time
from stream_app.schemas import Invalid, Item, ItemVector
from stream_app.telemetry import metrics
from stream_app.text.clean import clean

STAGE = "catalogue"


class CatalogueProcessor:
    """Embeds title, category, tags and description. Keeps no state."""

    def __init__(self, live: Live, future_seconds: float) -> None:
        self._live = live
        self._future = future_seconds

    def __call__(self, messages: Sequence[Message], read: StateReader) -> Result:
        records: list[Record] = []
        readable: list[tuple[Message, Item]] = []
        for message in messages:
            try:
                if message.value is None and message.key:
                    records.append(Record("item-vectors", _item_id(message.key).encode(), None))
                    continue
                readable.append((message, self._read(message)))
            except Invalid as error:
                records.append(dead_letter(message, error, STAGE))
        inference = self._live.current.inference
        outputs = inference.infer([item_text(item) for _, item in readable])
        metrics.inferred(outputs.cached, outputs.tokens, outputs.padding)
        for row, (message, item) in enumerate(readable):
            if row in outputs.errors:
                failed = Invalid(f"the model failed on it: {type(outputs.errors[row]).__name__}")
                records.append(dead_letter(message, failed, STAGE))
                continue
            vector: np.ndarray = outputs.embedding[row]
            value = schemas.encode(ItemVector(item, pack(vector), inference.version))
            records.append(
                Record("item-vectors", item.item_id.encode(), value, carried(message.headers))
            )
        return Result(records, [])

    def _read(self, message: Message) -> Item:
        item = schemas.decode(message.value, Item)
        if message.key != item.item_id.encode():
            raise Invalid("the message key is not the item_id")
        event_time(item.time, message.time, self._future)
        return item


def _item_id(key: bytes) -> str:
    """The id that a key is; raises Invalid."""
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"the message key is not UTF-8: byte {error.start} of {len(key)}") from None


def item_text(item: Item) -> str:
    """What of an item is embedded."""
    parts = (item.title, item.category, " ".join(item.tags), item.description)
    return clean(". ".join(part for part in parts if part))
