"""Items to item vectors.

`item-vectors` is compacted and read whole by every worker, so a stale record in it would stay for
good. The agent has a table for that: who owns a partition of it owns the items of that partition,
and notices what a worker that was frozen sent after it had lost them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from stream_app import schemas
from stream_app.inference.live import Live
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import (
    REFRESH,
    Message,
    Record,
    Result,
    State,
    StateReader,
    carried,
)
from stream_app.messages.vectors import pack, unpack
from stream_app.processors.kept import Batch, Shelf
from stream_app.processors.validity import check_key, event_time
from stream_app.schemas import Invalid, Item, ItemVector
from stream_app.schemas.records import Id
from stream_app.schemas.state import Unusable
from stream_app.telemetry import metrics
from stream_app.text.clean import clean

STAGE = "catalogue"
APPLIED = b""
"""Key under which a partition's table keeps the newest offset that is in it. No item has it."""


@dataclass(slots=True)
class _Partition:
    """What a batch makes of one partition's items."""

    applied: int
    """Newest offset that is in the table."""
    values: dict[bytes, bytes | None] = field(default_factory=dict)
    """New item vectors by key; None: the item is gone."""


class CatalogueProcessor:
    """Embeds title, category, tags and description; keeps each item's newest vector.

    A redelivered message changes nothing and sends what is known of its item again, so a removal
    that was applied stays, whatever comes again before it.
    """

    def __init__(
        self, live: Live, future_seconds: float, partitions: int, *, changelog: str
    ) -> None:
        """`changelog`: the topic of its table, by full name."""
        self._applied = Shelf("catalogue", changelog, STAGE, _offset)
        self._kept = Shelf("catalogue", changelog, STAGE, self._usable)
        self._live = live
        self._future = future_seconds
        self._partitions = partitions

    def __call__(self, messages: Sequence[Message], read: StateReader) -> Result:
        records: list[Record] = []
        items: dict[int, Item] = {}
        """Of the messages, by their place in the batch."""
        valid: list[int] = []
        for place, message in enumerate(messages):
            try:
                if message.topic != REFRESH and message.value is None:
                    check_key(message, _item_id(message.key), self._partitions)
                elif message.topic != REFRESH:
                    items[place] = self._validate(message)
                valid.append(place)
            except Invalid as error:
                records.append(dead_letter(message, error, STAGE))
        vectors = self._embed(items)
        applied, kept = self._applied.open(read, records), self._kept.open(read, records)
        touched: dict[int, _Partition] = {}
        for place in valid:
            message, vector = messages[place], vectors.get(place)
            if isinstance(vector, Invalid):
                records.append(dead_letter(message, vector, STAGE))
                continue
            if (partition := touched.get(message.partition)) is None:
                newest = applied.get(message.partition, APPLIED)
                partition = touched[message.partition] = _Partition(
                    -1 if newest is None else newest
                )
            if message.key != APPLIED:
                records.extend(_apply(message, vector, partition, kept))
        states = [
            State(number, key, value)
            for number, partition in touched.items()
            # The offset last: what is cut off before it is applied again.
            for key, value in [*partition.values.items(), (APPLIED, b"%d" % partition.applied)]
        ]
        return Result(records, states)

    def _usable(self, data: bytes) -> bytes:
        """An item vector of the table; raises Unusable."""
        try:
            vector = schemas.decode(data, ItemVector).vector
            unpack(vector, self._live.current.inference.dimensions)
        except Invalid as error:
            raise Unusable(f"the catalogue table holds what is no item: {error}") from None
        return data

    def _embed(self, items: dict[int, Item]) -> dict[int, bytes | Invalid]:
        """Each item's encoded vector, or why there is none."""
        inference = self._live.current.inference
        outputs = inference.infer([item_text(item) for item in items.values()])
        metrics.inferred(outputs.cached, outputs.tokens, outputs.padding)
        vectors: dict[int, bytes | Invalid] = {}
        for row, (place, item) in enumerate(items.items()):
            if row in outputs.errors:
                kind = type(outputs.errors[row]).__name__
                vectors[place] = Invalid(f"the model failed on it: {kind}")
            else:
                vector: np.ndarray = outputs.embedding[row]
                vectors[place] = schemas.encode(ItemVector(item, pack(vector), inference.version))
        return vectors

    def _validate(self, message: Message) -> Item:
        item = schemas.decode(message.value, Item)
        if message.key != item.item_id.encode():
            raise Invalid("the message key is not the item_id")
        check_key(message, item.item_id, self._partitions)
        event_time(item.time, message.time, self._future)
        return item


def _offset(data: bytes) -> int:
    """The newest offset that is in a partition's table; raises Unusable."""
    if re.fullmatch(rb"-1|\d{1,19}", data) is None:
        raise Unusable("the catalogue table holds what is no offset")
    return int(data)


def _apply(
    message: Message, vector: bytes | None, partition: _Partition, kept: Batch[bytes]
) -> list[Record]:
    """The newest vector of the message's item, kept if the message is new."""
    key = message.key or b""
    if message.topic != REFRESH and message.offset > partition.applied:
        partition.applied = message.offset
        partition.values[key] = vector
    elif key not in partition.values:
        # Written again even if unchanged: somebody else's record may be the newest of the key.
        found = kept.get(message.partition, key)
        if found is None and kept.known(message.partition, key):
            # It was set aside: the item is what the message says, or else what readers have.
            found = vector
            if found is None:
                partition.values[key] = None
                return []
        partition.values[key] = found
    return [Record("item-vectors", key, partition.values[key], carried(message.headers))]


def _item_id(key: bytes | None) -> str:
    """The id that a key is; raises Invalid."""
    if not key:
        raise Invalid("the message has neither key nor value")
    try:
        # No item has another, and a key of megabytes would fit no record of the table.
        return msgspec.convert(key.decode(), Id)
    except UnicodeDecodeError as error:
        raise Invalid(f"the message key is not UTF-8: byte {error.start} of {len(key)}") from None
    except msgspec.ValidationError as error:
        raise Invalid(f"the message key is no item_id: {error}") from None


def item_text(item: Item) -> str:
    """What of an item is embedded."""
    parts = (item.title, item.category, " ".join(item.tags), item.description)
    return clean(". ".join(part for part in parts if part))
