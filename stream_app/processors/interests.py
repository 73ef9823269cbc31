"""Analyses and behaviours to the user's record, and from it to recommendations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from stream_app import schemas
from stream_app.interests.record import Interest, decode_fitting, empty, encode
from stream_app.interests.update import Rules, apply_analysis, apply_behaviour
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.identity import event_hash
from stream_app.messages.message import (
    REFRESH,
    Headers,
    Message,
    Record,
    Result,
    State,
    StateReader,
    carried,
)
from stream_app.processors.kept import Batch, Shelf
from stream_app.processors.signals import Collector
from stream_app.processors.validity import valid_analysis, valid_behaviour
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.neighbours import steps
from stream_app.schemas import Invalid, Recommendations, Signal
from stream_app.schemas.records import Event

STAGE = "interests"


@dataclass(slots=True)
class _User:
    partition: int
    interest: Interest
    cause: Event = field(init=False)
    """The newest event applied. The headers of its message travel on with the output."""
    headers: Headers = field(init=False)

    def caused(self, cause: Event, message: Message) -> Self:
        """The user, after this event was applied."""
        self.cause, self.headers = cause, carried(message.headers)
        return self


class Interests:
    """Folds events in and refreshes the recommendations of every user in the batch.

    A redelivered event changes nothing and sends everything again: the first time may have died
    between the state and the outputs.
    """

    def __init__(
        self,
        hybrid: Hybrid,
        catalogue: Catalogue,
        rules: Rules,
        *,
        dimensions: int,
        partitions: int,
        future_seconds: float,
        changelog: str,
    ) -> None:
        """`changelog`: the topic of its table, by full name."""
        self._hybrid = hybrid
        self._catalogue = catalogue
        self._rules = rules
        self._dimensions = dimensions
        fitting = partial(decode_fitting, dimensions=dimensions)
        self._shelf = Shelf("interests", changelog, STAGE, fitting)
        self._partitions = partitions
        self._future = future_seconds

    def __call__(self, messages: Sequence[Message], read: StateReader) -> Result:
        self._catalogue.refresh()
        users: dict[str, _User] = {}
        signals = Collector()
        letters: list[Record] = []
        table = self._shelf.open(read, letters)
        for message in messages:
            try:
                if message.topic == REFRESH:
                    self._refresh(message, users, table)
                elif message.topic == "analyses":
                    self._analysis(message, users, table, signals)
                else:
                    self._behaviour(message, users, table, signals)
            except Invalid as error:
                letters.append(dead_letter(message, error, STAGE))
        ranked = self._hybrid.recommend([u.interest for u in users.values()], self._catalogue)
        records = letters
        states = []
        for (user_id, user), found in zip(users.items(), ranked, strict=True):
            value = Recommendations(
                user_id,
                found.items,
                user.cause,
                user.interest.applied,
                dict(found.removed),
                dict(found.withheld),
            )
            records.append(
                Record("recommendations", user_id.encode(), schemas.encode(value), user.headers)
            )
            states.append(State(user.partition, user_id.encode(), encode(user.interest)))
        records.extend(signals.records())
        return Result(records, states)

    def _refresh(self, message: Message, users: dict[str, _User], table: Batch[Interest]) -> None:
        # Of a key that is no text nobody has events: another program wrote it.
        user_id = (message.key or b"").decode(errors="replace")
        if table.known(message.partition, user_id.encode()):
            user = self._user(message, user_id, users, table)
            users[user_id] = user.caused(Event(REFRESH, user.interest.clock), message)

    def _analysis(
        self,
        message: Message,
        users: dict[str, _User],
        table: Batch[Interest],
        signals: Collector,
    ) -> None:
        analysis = valid_analysis(message, self._partitions, self._dimensions, self._future)
        user = self._user(message, analysis.user_id, users, table)
        apply_analysis(user.interest, analysis, self._rules)
        cause = Event("review", analysis.time, analysis.item_id, analysis.intensity)
        users[analysis.user_id] = user.caused(cause, message)
        event = event_hash("review", analysis.user_id, analysis.id)
        before = steps(user.interest.events, event)
        # The item's subject has the review itself from `analyse`; what preceded it is known here.
        if analysis.item_id is not None and before:
            signals.add(
                f"item:{analysis.item_id}",
                message.source,
                Signal(message.offset, event, analysis.time, None, 0, 0.0, [], before),
            )

    def _behaviour(
        self,
        message: Message,
        users: dict[str, _User],
        table: Batch[Interest],
        signals: Collector,
    ) -> None:
        behaviour, time = valid_behaviour(message, self._partitions, self._future)
        user = self._user(message, behaviour.user_id, users, table)
        apply_behaviour(user.interest, behaviour, message.source, message.offset, time, self._rules)
        cause = Event(behaviour.kind, time, behaviour.item_id)
        users[behaviour.user_id] = user.caused(cause, message)
        event = event_hash(
            "behaviour",
            behaviour.user_id,
            behaviour.event_id or f"{message.source}/{message.offset}",
        )
        weight = max(self._rules.weights.get(behaviour.kind, 0.0), 0.0)
        signals.add(
            f"item:{behaviour.item_id}",
            message.source,
            Signal(
                message.offset,
                event,
                time,
                None,
                0,
                weight,
                [],
                steps(user.interest.events, event),
            ),
        )

    def _user(
        self, message: Message, user_id: str, users: dict[str, _User], table: Batch[Interest]
    ) -> _User:
        """A user of the batch, or one that is not in it yet: only an event that was applied brings
        a user in, so that a refused one leads to its dead letter alone."""
        if (user := users.get(user_id)) is not None:
            return user
        found = table.get(message.partition, user_id.encode())
        return _User(message.partition, empty(self._dimensions) if found is None else found)
