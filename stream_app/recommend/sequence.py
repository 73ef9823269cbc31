"""What comes next after the user's latest events, by an LSTM over them in ONNX Runtime.

The graph turns a ring of events (item, kind, value, time since the one before) into a vector q;
an item's score is the product of q with the item's vector (see
`stream_app/training/recommender/sequences.py`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from stream_app.inference.bundle import BundleError
from stream_app.interests.record import KINDS, Event, Interest
from stream_app.recommend.bundle import Recommender
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.source import ALL, Rows, Source
from stream_app.recommend.table import Table
from stream_app.schemas import Reason

LATEST = 5
"""Newest events of which each is left out once to find the one that counts most."""
MIN_FALL = 0.02
"""Fall of the score without an event from which the event is a reason."""


class _Known(NamedTuple):
    """An event with an item of the catalogue, and its row."""

    row: int
    event: Event


class Sequential(Source):
    """Product of q and an item's vector, as a share of what is high in training."""

    name = "sequence"

    def __init__(self, trained: Recommender) -> None:
        """Raises BundleError where the graph does not load or numbers other kinds of events."""
        if tuple(trained.config.kinds) != KINDS:
            raise BundleError(f"{trained.version}: kinds are {trained.config.kinds}, not {KINDS}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = ort.InferenceSession(
                trained.graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise BundleError(f"{trained.version}: sequence.onnx: {error}") from error
        self._table = Table(trained.items, trained.item_vectors, trained.project, added=True)
        self._scale = trained.config.scale

    def features(self, users: Sequence[Interest], items: Catalogue) -> list[list[_Known]]:
        return [_known(user, items) for user in users]

    def score(
        self, features: Sequence[list[_Known]], items: Catalogue, rows: Rows = ALL
    ) -> NDArray[np.float32]:
        table = self._table.vectors(items)
        queries = self._queries(features, table)
        scores: NDArray[np.float32] = np.clip(queries @ table[rows].T / self._scale, -1, 1)
        return scores

    def reasons(
        self, features: Sequence[list[_Known]], rows: NDArray[np.int64], items: Catalogue
    ) -> list[list[Reason | None]]:
        table = self._table.vectors(items)
        return [
            self._reasons(events, listed, items, table)
            for events, listed in zip(features, rows.tolist(), strict=True)
        ]

    def _reasons(
        self, events: list[_Known], rows: list[int], items: Catalogue, table: NDArray[np.float32]
    ) -> list[Reason | None]:
        last = list(range(max(0, len(events) - LATEST), len(events)))
        if not last:
            return [None for _ in rows]
        without = [events[:place] + events[place + 1 :] for place in last]
        scores = self._queries([events, *without], table) @ table[rows].T / self._scale
        falls = np.minimum(scores[0], 1) - scores[1:]
        titles = [items.items[events[place].row].title for place in last]
        return [
            self._after(titles[place]) if falls_of_row[place] >= MIN_FALL else None
            for falls_of_row, place in zip(falls.T, falls.argmax(0), strict=True)
        ]

    def _queries(
        self,
        histories: Sequence[list[_Known]],
        table: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """q of each history [histories, width]; zero for an empty one."""
        queries = np.zeros((len(histories), table.shape[1]), np.float32)
        filled = [number for number, events in enumerate(histories) if events]
        if not filled:
            return queries
        steps = max(len(histories[number]) for number in filled)
        shape = (len(filled), steps)
        rows, kinds = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        values, apart = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for place, number in enumerate(filled):
            events = histories[number]
            end = len(events)
            rows[place, :end] = [known.row for known in events]
            kinds[place, :end] = [known.event.kind for known in events]
            values[place, :end] = [known.event.value for known in events]
            apart[place, :end] = gaps(np.array([known.event.time for known in events]))
        lengths = np.array([len(histories[number]) for number in filled], np.int32)
        feeds = {
            "items": table[rows], "kinds": kinds, "values": values, "gaps": apart,
            "lengths": lengths,
        }  # fmt: skip
        (queries[filled],) = self._session.run(["asked"], feeds)
        return queries

    def _after(self, title: str) -> Reason:
        return Reason(
            self.name,
            f"what people turn to after “{title}”, one of your latest",
            f"人们在“{title}”（你最近的动作之一）之后常选的",
        )


def gaps(times: NDArray[np.float64]) -> NDArray[np.float32]:
    """log(1 + hours since the event before) [events]; 0 for the first."""
    return np.log1p(np.diff(times, prepend=times[:1]) / 3600).astype(np.float32)


def _known(user: Interest, items: Catalogue) -> list[_Known]:
    rows = ((items.row(event.item), event) for event in user.events)
    return [_Known(row, event) for row, event in rows if row is not None]
