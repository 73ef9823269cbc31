"""What makes a message acceptable: to the processors, and to whoever reads the topics later."""

import time as clock

from stream_app import schemas
from stream_app.messages.identity import partition
from stream_app.messages.message import Message
from stream_app.messages.vectors import unpack
from stream_app.schemas import Analysis, Behaviour, Invalid


def valid_analysis(
    message: Message,
    partitions: int,
    dimensions: int,
    future_seconds: float,
    now: float | None = None,
) -> Analysis:
    """The analysis of a message, its embedding of so many dimensions, its time as `event_time`
    has it; raises Invalid."""
    analysis = schemas.decode(message.value, Analysis)
    check_key(message, analysis.user_id, partitions)
    event_time(analysis.time, message.time, future_seconds, now)
    unpack(analysis.vector, dimensions)
    return analysis


def valid_behaviour(
    message: Message, partitions: int, future_seconds: float, now: float | None = None
) -> tuple[Behaviour, float]:
    """The behaviour of a message and its event time (see `event_time`); raises Invalid."""
    behaviour = schemas.decode(message.value, Behaviour)
    check_key(message, behaviour.user_id, partitions)
    return behaviour, event_time(behaviour.time, message.time, future_seconds, now)


def event_time(
    stated: float | None, received: float, future_seconds: float, now: float | None = None
) -> float:
    """The event's own time, else its message's timestamp; raises Invalid.

    All in seconds since the epoch. `now` is what the future begins at: by default the clock.
    """
    time = received if stated is None else stated
    if time < 0:
        # Kafka's -1 of a producer that gives none.
        raise Invalid("no time: neither the event nor its message has one")
    ahead = time - (clock.time() if now is None else now)
    if ahead > future_seconds:
        hint = "; milliseconds instead of seconds?" if time > 1e11 else ""
        # Not how far: a number in the wrong field, a phone's, could be told from it.
        raise Invalid(f"time is more than {future_seconds:g} s in the future{hint}")
    return time


def check_key(message: Message, user_id: str, partitions: int) -> None:
    """The user's events must share a partition with the user's record; raises Invalid."""
    if message.key != user_id.encode():
        raise Invalid("the message key is not the user_id")
    expected = partition(message.key, partitions)
    if message.partition != expected:
        raise Invalid(
            f"partition {message.partition} is not the key's ({expected}): the producer must "
            "partition by murmur2, as Kafka's own clients do (librdkafka: partitioner=murmur2)"
        )
