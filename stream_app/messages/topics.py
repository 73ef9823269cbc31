"""The one table of topics and tables: what each holds, who writes it, who reads it.

All else that depends on topics is derived from here: what agents take, rights on the broker,
contracts, metrics, the commands' and the tests' lists.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, get_args

from stream_app import schemas
from stream_app.settings import Settings

HOUR_MS = 3_600_000
LARGE = 4 * 1024 * 1024
"""A megabyte of text must arrive to be refused with a reason, and fit the dead letters."""
SEGMENT = 4 * LARGE
"""The newest segment of a log is never compacted: by the broker's default it grows to 1 GiB."""

AgentName = Literal["analyse", "catalogue", "interests", "watch"]
"""Who works within a worker."""
Client = Literal["producer", "alerts", "dashboard", "auditor", "promoter"]
"""Who connects from outside: `alerts` is whoever acts on them."""
Party = AgentName | Client | Literal["worker"]
"""`worker`: each worker as a whole, before its agents begin."""
AGENT_NAMES: tuple[AgentName, ...] = get_args(AgentName)


class Topic(NamedTuple):
    """What a topic is."""

    name: str
    record: type[Any] | None
    """Type of the value; None: not JSON of ours."""
    key: str
    writers: tuple[Party, ...]
    readers: tuple[Party, ...]
    description: str
    compacted: bool = False
    internal: bool = False
    """Between our own components; its record may change with them."""
    broadcast: bool = False
    """Every worker reads it whole, outside the group. The agents among its readers begin when
    that is done; of any other topic they are a group's consumers."""
    key_field: str | None = None
    """Field that `send` takes as the key of a line without one."""
    latency: tuple[str, str] | None = None
    """Of what agents take: the input from which on time is measured, and the output until which."""
    worker_for: int | None = None
    """So many messages that wait are worth a worker more."""


TOPICS: tuple[Topic, ...] = (
    Topic(
        "reviews", schemas.Review, "any", ("producer",), ("analyse",),
        "What people write.",
        key_field="review_id", latency=("reviews", "analyses"), worker_for=4000,
    ),
    Topic(
        "behaviours", schemas.Behaviour, "user_id", ("producer",), ("interests",),
        "What people do.",
        key_field="user_id", latency=("behaviours", "recommendations"),
    ),
    Topic(
        "items", schemas.Item, "item_id", ("producer",), ("catalogue",),
        "The catalogue.",
        compacted=True, key_field="item_id",
    ),
    Topic(
        "analyses", schemas.Analysis, "user_id", ("analyse",), ("interests", "dashboard"),
        "What was understood.",
        latency=("reviews", "recommendations"), worker_for=4000,
    ),
    Topic(
        "recommendations", schemas.Recommendations, "user_id", ("interests",), ("dashboard",),
        "Each user's ranked items, with reasons.",
        compacted=True,
    ),
    Topic(
        "alerts", schemas.Alert, "subject", ("analyse", "watch"), ("alerts", "dashboard"),
        "What needs a person now.",
    ),
    Topic(
        "acknowledgements", schemas.Acknowledgement, "alert_id", ("dashboard",), ("dashboard",),
        "Alerts that somebody has seen.",
    ),
    Topic(
        "trends", schemas.Trend, "subject", ("watch",), ("interests", "dashboard"),
        "How each subject does.",
        compacted=True, broadcast=True,
    ),
    Topic(
        "dead-letters", None, "as received", AGENT_NAMES, ("auditor",),
        "Original key, bytes and headers of what could not be processed, the reason in headers.",
    ),
    Topic(
        "signals", schemas.Signals, "subject", ("analyse", "interests", "watch"), ("watch",),
        "Events on their way to their subject's worker.",
        internal=True,
    ),
    Topic(
        "item-vectors", schemas.ItemVector, "item_id", ("catalogue",), ("interests",),
        "The catalogue with embeddings, read whole by every worker.",
        compacted=True, internal=True, broadcast=True,
    ),
    Topic(
        "models", schemas.Promotion, "bundle's role", ("promoter",), ("analyse",),
        "The bundle that every worker serves.",
        compacted=True, internal=True, broadcast=True,
    ),
    Topic(
        "group", schemas.Contract, "claim", ("worker",), ("worker",),
        "What a worker must have in common with its group; the first claim holds.",
        compacted=True, internal=True,
    ),
    Topic(
        "unmatched", schemas.Unmatched, "slot", ("analyse",), ("watch",),
        "Recent reviews that fit no topic, read whole by every worker: a ring of slots.",
        compacted=True, internal=True, broadcast=True,
    ),
)  # fmt: skip
BY_NAME = {topic.name: topic for topic in TOPICS}


class Table(NamedTuple):
    """State of an agent, kept in a changelog topic as Faust names it."""

    name: str
    agent: AgentName
    key: str


TABLES = (
    Table("catalogue", "catalogue", "item_id"),
    Table("interests", "interests", "user_id"),
    Table("subjects", "watch", "subject"),
)
"""In their changelogs compaction waits for an hour: a stale record must not be all that is left of
its key before the owner has written it again."""


def names(topics: Iterable[Topic]) -> tuple[str, ...]:
    """The topics' names, without the prefix."""
    return tuple(topic.name for topic in topics)


def written_by(*parties: Party) -> tuple[Topic, ...]:
    """The topics that any of them writes."""
    return tuple(topic for topic in TOPICS if set(parties) & set(topic.writers))


def read_by(*parties: Party) -> tuple[Topic, ...]:
    """The topics that any of them reads."""
    return tuple(topic for topic in TOPICS if set(parties) & set(topic.readers))


def consumed_by(*agents: AgentName) -> tuple[str, ...]:
    """Names of the topics that agents take as members of the group."""
    return names(topic for topic in read_by(*agents) if not topic.broadcast)


def awaited_by(agent: AgentName) -> tuple[str, ...]:
    """Names of the broadcasts that are read before an agent begins."""
    return names(topic for topic in read_by(agent) if topic.broadcast)


INPUTS = names(written_by("producer"))
CONSUMED = consumed_by(*AGENT_NAMES)
BROADCASTS = names(topic for topic in TOPICS if topic.broadcast)
OUTPUTS = names(topic for topic in written_by(*AGENT_NAMES) if not topic.internal)


def full_name(settings: Settings, name: str) -> str:
    """A topic's name on the broker."""
    return settings.prefix + name


def changelog(settings: Settings, table: str) -> str:
    """The topic that holds a table, as Faust names it."""
    return f"{settings.app}-{table}-changelog"


def configs(settings: Settings, topic: Topic) -> dict[str, str]:
    """Broker settings of a topic."""
    if topic.compacted:
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
    topics = {full_name(settings, topic.name): configs(settings, topic) for topic in TOPICS}
    for table in TABLES:
        topics[changelog(settings, table.name)] = {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(HOUR_MS),
        }
    return topics
