"""Every topic: its key, its writer, how long it is kept, and its creation."""

from typing import Any, NamedTuple

from stream_app import schemas
from stream_app.settings import Settings

HOUR_MS = 3_600_000
LARGE = 4 * 1024 * 1024
"""A megabyte of text must arrive to be refused with a reason, and fit the dead letters."""
SEGMENT = 4 * LARGE
"""The newest segment of a log is never compacted: by the broker's default it grows to 1 GiB."""


class Spec(NamedTuple):
    """What a topic is."""

    name: str
    record: type[Any] | None
    """Type of the value; None: not JSON of ours."""
    key: str
    writer: str
    compacted: bool
    description: str
    internal: bool = False


TOPICS: tuple[Spec, ...] = (
    Spec("reviews", schemas.Review, "any", "producers", False, "What people write."),
    Spec("behaviours", schemas.Behaviour, "user_id", "producers", False, "What people do."),
    Spec("items", schemas.Item, "item_id", "producers", True, "The catalogue."),
    Spec("analyses", schemas.Analysis, "user_id", "analyse", False, "What was understood."),
    Spec(
        "recommendations",
        schemas.Recommendations,
        "user_id",
        "interests",
        True,
        "Each user's ranked items, with reasons.",
    ),
    Spec("alerts", schemas.Alert, "subject", "analyse, watch", False, "What needs a person now."),
    Spec(
        "acknowledgements",
        schemas.Acknowledgement,
        "alert_id",
        "stream-app dashboard",
        False,
        "Alerts that somebody has seen.",
    ),
    Spec("trends", schemas.Trend, "subject", "watch", True, "How each subject does."),
    Spec(
        "dead-letters",
        None,
        "as received",
        "any agent",
        False,
        "Original key, bytes and headers of what could not be processed, the reason in headers.",
    ),
    Spec(
        "signals",
        schemas.Signals,
        "subject",
        "analyse, interests, watch",
        False,
        "Events on their way to their subject's worker.",
        internal=True,
    ),
    Spec(
        "item-vectors",
        schemas.ItemVector,
        "item_id",
        "catalogue",
        True,
        "The catalogue with embeddings, read whole by every worker.",
        internal=True,
    ),
    Spec(
        "models",
        schemas.Promotion,
        "bundle's role",
        "stream-app model promote",
        True,
        "The bundle that every worker serves.",
        internal=True,
    ),
    Spec(
        "unmatched",
        schemas.Unmatched,
        "slot",
        "analyse",
        True,
        "Recent reviews that fit no topic, read whole by every worker: a ring of slots.",
        internal=True,
    ),
)
TABLES = ("interests", "subjects")
"""In their changelogs compaction waits for an hour: a stale record must not be all that is left of
its key before the owner has written it again."""
BY_NAME = {spec.name: spec for spec in TOPICS}


def full_name(settings: Settings, name: str) -> str:
    """A topic's name on the broker."""
    return settings.prefix + name


def changelog(settings: Settings, table: str) -> str:
    """The topic that holds a table, as Faust names it."""
    return f"{settings.app}-{table}-changelog"


def configs(settings: Settings, spec: Spec) -> dict[str, str]:
    """Broker settings of a topic."""
    if spec.compacted:
        return {
            "cleanup.policy": "compact",
            "segment.bytes": str(SEGMENT),
            "max.message.bytes": str(LARGE),
        }
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(settings.retention_hours * HOUR_MS)),
        "max.message.bytes": str(LARGE),
    }


def layout(settings: Settings) -> dict[str, dict[str, str]]:
    """Broker settings by full topic name, changelogs included."""
    topics = {full_name(settings, spec.name): configs(settings, spec) for spec in TOPICS}
    for table in TABLES:
        topics[changelog(settings, table)] = {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(HOUR_MS),
        }
    return topics
