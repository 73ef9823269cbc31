"""Dead letters: the original bytes, and why, in Kafka Connect's headers."""

from stream_app.delivery.message import Message, Record

MAX_REASON = 500


def dead(message: Message, error: Exception, stage: str) -> Record:
    """The dead letter of `message`. The reason must not repeat personal data: errors of ours
    name fields and positions, never contents."""
    reason = str(error)[:MAX_REASON] or type(error).__name__
    kept = tuple(h for h in message.headers if not h[0].startswith("__connect.errors."))
    told = {
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "stage": stage,
        "exception.class.name": type(error).__name__,
        "exception.message": reason,
    }
    headers = tuple((f"__connect.errors.{name}", text.encode()) for name, text in told.items())
    return Record("dead-letters", message.key, message.value, kept + headers)


def origin(letter: Record) -> tuple[str, str, str]:
    """Of a dead letter: the topic it came from, the stage it ended in, the class of its error."""
    headers = dict(letter.headers)
    names = ("topic", "stage", "exception.class.name")
    topic, stage, error = (headers[f"__connect.errors.{name}"].decode() for name in names)
    return topic, stage, error
