"""What makes an event's time and key acceptable."""

import time as clock

from stream_app.messages.identity import partition
from stream_app.messages.message import Message
from stream_app.schemas import Invalid


def event_time(stated: float | None, received: float, future_seconds: float) -> float:
    """The event's own time, else its message's timestamp (seconds); raises Invalid."""
    time = received if stated is None else stated
    if time < 0:
        # Kafka's -1 of a producer that gives none.
        raise Invalid("no time: neither the event nor its message has one")
    ahead = time - clock.time()
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
