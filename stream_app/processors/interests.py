"""Analyses and behaviours to the user's record, and from it to recommendations."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream_app import schemas
from stream_app.interests.record import Interest, decode, empty, encode
from stream_app.interests.update import Rules, apply_analysis, apply_behaviour
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.identity import hash64
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
from stream_app.processors.signals import Collector
from stream_app.processors.validity import check_key, event_time
from stream_app.recommend.catalogue import Catalogue
from stream_app.recommend.hybrid import Hybrid
from stream_app.recommend.neighbours import steps
from stream_app.schemas import Analysis, Behaviour, Invalid, Recommendations, Signal
from stream_app.schemas.records import Event

STAGE = "interests"


@dataclass(slots=True)
class _User:
    partition: int
    interest: Interest
    cause: Event = field(default_factory=lambda: Event("", 0.0))
    headers: Headers = ()


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
    ) -> None:
        self._hybrid = hybrid
        self._catalogue = catalogue
        self._rules = rules
        self._dimensions = dimensions
        self._partitions = partitions
        self._future = future_seconds

    def __call__(self, messages: Sequence[Message], read: StateReader) -> Result:
        self._catalogue.refresh()
        users: dict[str, _User] = {}
        signals = Collector()
        letters: list[Record] = []
        for message in messages:
            try:
                if message.topic == REFRESH:
                    self._refresh(message, users, read)
                elif message.topic == "analyses":
                    self._analysis(message, users, read, signals)
                else:
                    self._behaviour(message, users, read, signals)
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

    def _refresh(self, message: Message, users: dict[str, _User], read: StateReader) -> None:
        user_id = (message.key or b"").decode()
        if read(message.partition, user_id.encode()) is not None:
            user = self._user(message, user_id, users, read)
            user.cause = Event(REFRESH, user.interest.clock)

    def _analysis(
        self, message: Message, users: dict[str, _User], read: StateReader, signals: Collector
    ) -> None:
        analysis = schemas.decode(message.value, Analysis)
        check_key(message, analysis.user_id, self._partitions)
        user = self._user(message, analysis.user_id, users, read)
        apply_analysis(user.interest, analysis, self._rules)
        user.cause = Event("review", analysis.time, analysis.item_id, analysis.intensity)
        event = hash64(analysis.id)
        before = steps(user.interest.events, event)
        # `analyse` has told the item's subject of the review; what preceded it is known here.
        if analysis.item_id is not None and before:
            signals.add(
                f"item:{analysis.item_id}",
                message.source,
                Signal(message.offset, event, analysis.time, None, 0, 0.0, [], before),
            )

    def _behaviour(
        self, message: Message, users: dict[str, _User], read: StateReader, signals: Collector
    ) -> None:
        behaviour = schemas.decode(message.value, Behaviour)
        check_key(message, behaviour.user_id, self._partitions)
        time = event_time(behaviour.time, message.time, self._future)
        user = self._user(message, behaviour.user_id, users, read)
        apply_behaviour(user.interest, behaviour, message.source, message.offset, time, self._rules)
        user.cause = Event(behaviour.kind, time, behaviour.item_id)
        event = hash64(behaviour.event_id or f"{message.source}/{message.offset}")
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
        self, message: Message, user_id: str, users: dict[str, _User], read: StateReader
    ) -> _User:
        user = users.get(user_id)
        if user is None:
            data = read(message.partition, user_id.encode())
            interest = empty(self._dimensions) if data is None else decode(data)
            user = users[user_id] = _User(message.partition, interest)
        user.headers = carried(message.headers)
        return user
