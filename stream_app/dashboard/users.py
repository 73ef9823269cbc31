"""What is recommended to each user, and what their last review changed."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_app import schemas
from stream_app.schemas import Analysis, Recommendations

USERS = 2000
"""Users kept: those with the newest events."""
REVIEWS = 5
TOPICS = 24


class Text(NamedTuple):
    """A review, shortened to what is shown."""

    text: str
    sentiment: str
    intensity: float
    item_id: str | None
    time: float


class RankedItem(NamedTuple):
    """An item in a list, and where the last review moved it."""

    item_id: str
    title: str
    rank: int
    """From 1."""
    moved: int | None
    """Places up by the user's last review; None: it was not in the list before."""


@dataclass(slots=True)
class User:
    """One user. Lists are kept undecoded, since few of them are ever shown."""

    newest: bytes | None = None
    before: bytes | None = None
    """The list before the last review."""
    after: bytes | None = None
    """The list that the last review led to."""
    reviews: deque[Text] = field(default_factory=lambda: deque(maxlen=REVIEWS))
    tastes: dict[str, list[float]] = field(default_factory=dict)
    """By topic: sums of praise and of complaint, −1…1 a review."""


class Users:
    """Users by id."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, User] = OrderedDict()

    def __len__(self) -> int:
        return len(self._users)

    def ids(self) -> list[str]:
        """Those with the newest events first."""
        return list(reversed(self._users))

    def get(self, user_id: str) -> User | None:
        """A user, if known."""
        return self._users.get(user_id)

    def add_analysis(self, analysis: Analysis) -> None:
        """Add a review's analysis to its user."""
        user = self._user_of(analysis.user_id)
        user.reviews.append(
            Text(
                analysis.text[:300],
                analysis.sentiment,
                analysis.intensity,
                analysis.item_id,
                analysis.time,
            )
        )
        for topic in analysis.topics:
            if topic.id in user.tastes or len(user.tastes) < TOPICS:
                taste = user.tastes.setdefault(topic.id, [0.0, 0.0])
                taste[analysis.intensity < 0] += abs(analysis.intensity) * topic.score

    def add_list(self, record: Recommendations, value: bytes) -> None:
        """A user's list was made anew. One that applies nothing new is a redelivery."""
        user = self._user_of(record.user_id)
        old = None if user.newest is None else schemas.decode(user.newest, Recommendations)
        if old is not None and old.applied == record.applied:
            return
        if record.based_on.kind == "review":
            user.before, user.after = user.newest, value
        user.newest = value

    def _user_of(self, user_id: str) -> User:
        user = self._users.setdefault(user_id, User())
        self._users.move_to_end(user_id)
        if len(self._users) > USERS:
            self._users.popitem(last=False)
        return user


def changes(user: User) -> tuple[Recommendations, list[RankedItem], list[RankedItem]] | None:
    """What the last review did: the list that followed, its items, and those that left it.

    None if there was no review, or no list before it.
    """
    if user.before is None or user.after is None:
        return None
    before, after = (schemas.decode(v, Recommendations) for v in (user.before, user.after))
    old = {item.item_id: rank for rank, item in enumerate(before.items, 1)}
    new = {item.item_id for item in after.items}
    listed = [
        RankedItem(
            item.item_id,
            item.title,
            rank,
            old[item.item_id] - rank if item.item_id in old else None,
        )
        for rank, item in enumerate(after.items, 1)
    ]
    gone = [
        RankedItem(item.item_id, item.title, rank, None)
        for rank, item in enumerate(before.items, 1)
        if item.item_id not in new
    ]
    return after, listed, gone
