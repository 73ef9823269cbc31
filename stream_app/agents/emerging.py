"""unmatched → what this worker knows of emerging topics, and reminders to tell of them."""

from stream_app import schemas
from stream_app.agents.description import Reminders, Subscriber, Subscription
from stream_app.emerging.discovered import SUBJECT
from stream_app.messages.message import Record
from stream_app.pipeline import Pipeline
from stream_app.schemas import Signals

REMINDER = Record("signals", SUBJECT.encode(), schemas.encode(Signals(SUBJECT, "", [])))


def _open(pipeline: Pipeline) -> Subscriber:
    """A review's signal may be there before its text has been read back, and the last texts of a
    burst come while the topics are not computed again yet: a reminder has the trend sent again."""
    discovered = pipeline.discovered

    def due() -> list[Record]:
        return [REMINDER] if discovered.overdue() else []

    return Subscriber(discovered.put, reminders=Reminders(discovered.seconds, due))


# Clusters depend on when they are computed, so replay leaves them out.
SUBSCRIPTION = Subscription("unmatched", _open, replayed=False)
