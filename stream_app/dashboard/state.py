"""All that the page shows, from messages of the output topics, in bounded memory.

Messages come at least once: a review, an alert or an acknowledgement that comes again counts once.
"""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from stream_app import schemas
from stream_app.dashboard.dead_letters import DeadLetters
from stream_app.dashboard.rates import Latencies, Rates
from stream_app.dashboard.sentiment import ORDER, OTHER, SentimentByHour
from stream_app.dashboard.titles import Titles
from stream_app.dashboard.users import Users
from stream_app.messages.identity import hash64
from stream_app.messages.message import Message, carried_ingest_time
from stream_app.schemas import (
    Acknowledgement,
    Alert,
    Analysis,
    Emerging,
    Invalid,
    Recommendations,
    Trend,
)
from stream_app.text.mask import Masker

UNMATCHED = "emerging"
"""The subject of reviews that fit no topic, as `stream_app.emerging.discovered` names it."""
ALERTS = 300
SUBJECTS = 5000
KNOWN = 200_000
"""Reviews and alerts that are recognised when they come again."""
LISTS = 8
"""Lists of a user whose times are remembered, and of how many users."""
LISTED = 2000
JOURNEYS = 50
CALENDAR = 253_402_300_800
"""The end of the year 9999, seconds since the epoch."""

K = TypeVar("K")
V = TypeVar("V")


class Standing(NamedTuple):
    """What the newest trend says of a subject."""

    popularity: float
    surge: bool
    clock: float
    """Newest event time that it has."""
    time: float
    """When the trend was written."""


class Place(NamedTuple):
    """A review's position in its topic, and when it reached the broker."""

    source: str
    """`topic/partition`, as lists name what they have applied."""
    offset: int
    received: float


@dataclass(slots=True)
class Journey:
    """A review written on the page, and what has come of it; times by the messages."""

    review_id: str
    user_id: str
    sent: float
    stored: float = 0.0
    """When the broker confirmed it; 0: not yet, as for all that follows."""
    analysis: Analysis | None = None
    place: Place | None = None
    analysed: float = 0.0
    listed: float = 0.0
    """When the user's list was made anew with it."""
    trend: str = ""
    """A subject whose trend has it."""
    trended: float = 0.0
    alert: Alert | None = None
    alerted: float = 0.0
    reason: str = ""
    """Why it became a dead letter; empty: it did not."""
    died: float = 0.0


class DashboardState:
    """Counts and newest values of every output topic, each in bounded memory."""

    def __init__(self, masker: Masker) -> None:
        self.rates = {
            name: Rates() for name in ("analyses", "recommendations", "alerts", "dead-letters")
        }
        self.analysed = Latencies()
        """From a review's arrival on the broker to its analysis."""
        self.refreshed = Latencies()
        """From a review's arrival to the list made anew with it."""
        self.sentiments: Counter[str] = Counter()
        self.masked = 0
        """Pieces of personal data masked."""
        self.sentiment_by_hour = SentimentByHour()
        self.users = Users()
        self.dead_letters = DeadLetters(masker)
        self.alerts: OrderedDict[str, Alert] = OrderedDict()
        """The newest by id, in the order in which they came."""
        self.alerted = 0
        self.standings: OrderedDict[str, Standing] = OrderedDict()
        self.emerging: list[Emerging] = []
        self.titles = Titles()
        """Of items, as recommendations name them."""
        self.journeys: OrderedDict[str, Journey] = OrderedDict()
        self.unreadable = 0
        self._acknowledged: OrderedDict[str, bool] = OrderedDict()
        self._known: OrderedDict[int, None] = OrderedDict()
        self._waiting: OrderedDict[str, Place] = OrderedDict()
        """By user: their newest analysis that no list is known to have."""
        self._lists: OrderedDict[str, deque[tuple[dict[str, int], float]]] = OrderedDict()
        """By user: what their newest lists have applied, and when."""

    @property
    def reviews(self) -> int:
        """Different reviews understood."""
        return self.sentiments.total()

    def acknowledged(self, alert_id: str) -> bool:
        """Whether somebody has seen the alert."""
        return self._acknowledged.get(alert_id, False)

    def open_alerts(self) -> list[Alert]:
        """Those that nobody has seen, the newest event first. The end of a surge asks for none."""
        waiting = (a for a in self.alerts.values() if not self.acknowledged(a.id))
        return sorted((a for a in waiting if a.kind != "surge_over"), key=lambda a: (-a.time, a.id))

    def track(self, journey: Journey) -> None:
        """Record from now on which results of a review arrive, and when."""
        _put(self.journeys, journey.review_id, journey, JOURNEYS)

    def apply(self, message: Message, now: float) -> None:
        """Apply a message read at `now`, seconds since the epoch. What is no record of ours is
        counted in `unreadable`."""
        time = min(message.time, now)
        try:
            match message.topic:
                case "analyses":
                    self._analysis(
                        schemas.decode(message.value, Analysis), carried_ingest_time(message), time
                    )
                case "recommendations":
                    record = schemas.decode(message.value, Recommendations)
                    self._list(record, message.value or b"", time)
                case "alerts":
                    self._alert(schemas.decode(message.value, Alert), time)
                case "trends":
                    self._trend(schemas.decode(message.value, Trend), time)
                case "acknowledgements":
                    seen = schemas.decode(message.value, Acknowledgement)
                    _put(self._acknowledged, seen.alert_id, not seen.withdrawn, KNOWN)
                case "dead-letters":
                    self._dead_letter(message, time)
        except Invalid:
            self.unreadable += 1

    def _analysis(self, analysis: Analysis, received: float | None, time: float) -> None:
        _check(analysis.time)
        if self._again("review", analysis.id):
            return
        self.rates["analyses"].add(time)
        self.sentiments[analysis.sentiment if analysis.sentiment in ORDER else OTHER] += 1
        self.masked += sum(analysis.masked.values())
        self.sentiment_by_hour.add(subjects(analysis), analysis.time, analysis.sentiment)
        self.users.add_analysis(analysis)
        source = analysis.source
        place = Place(f"{source.topic}/{source.partition}", source.offset, received or time)
        if received is not None:
            self.analysed.add(time, time - received)
            _put(self._waiting, analysis.user_id, place, LISTED)
            self._match(analysis.user_id)
        if (journey := self.journeys.get(analysis.id)) is not None:
            journey.analysis, journey.place, journey.analysed = analysis, place, time
            self._progress()

    def _list(self, record: Recommendations, value: bytes, time: float) -> None:
        self.rates["recommendations"].add(time)
        self.users.add_list(record, value)
        for item in record.items:
            self.titles.put(item.item_id, item.title)
        known = self._lists.get(record.user_id) or deque(maxlen=LISTS)
        known.append((record.applied, time))
        _put(self._lists, record.user_id, known, LISTED)
        self._match(record.user_id)
        self._progress()

    def _alert(self, alert: Alert, time: float) -> None:
        _check(alert.time)
        if self._again("alert", alert.id):
            return
        self.rates["alerts"].add(time)
        self.alerted += 1
        _put(self.alerts, alert.id, alert, ALERTS)
        if (journey := self.journeys.get(alert.review_id or "")) is not None:
            journey.alert, journey.alerted = alert, time

    def _trend(self, trend: Trend, time: float) -> None:
        standing = Standing(trend.popularity, trend.surge is not None, trend.time, time)
        _put(self.standings, trend.subject, standing, SUBJECTS)
        if trend.subject == UNMATCHED:
            self.emerging = trend.emerging
        self._progress()

    def _dead_letter(self, message: Message, time: float) -> None:
        self.rates["dead-letters"].add(time)
        reason = self.dead_letters.add(message.headers)
        key = (message.key or b"").decode("utf-8", "replace")
        if (journey := self.journeys.get(key)) is not None:
            journey.reason, journey.died = reason, time

    # Topics are read side by side: a list or a trend may be read before the analysis that it has.

    def _match(self, user_id: str) -> None:
        """How long the user's newest review took to their list, once both are known."""
        place = self._waiting.get(user_id)
        if place is not None and (listed := self._listed(user_id, place)) is not None:
            del self._waiting[user_id]
            self.refreshed.add(listed, listed - place.received)

    def _listed(self, user_id: str, place: Place) -> float | None:
        """When a list of the user first had the review."""
        lists = self._lists.get(user_id, ())
        times = (t for applied, t in lists if applied.get(place.source, -1) >= place.offset)
        return next(times, None)

    def _progress(self) -> None:
        for journey in self.journeys.values():
            if journey.analysis is None or journey.place is None:
                continue
            if not journey.listed:
                journey.listed = self._listed(journey.user_id, journey.place) or 0.0
            for subject in () if journey.trended else subjects(journey.analysis):
                standing = self.standings.get(subject)
                if standing is not None and standing.clock >= journey.analysis.time:
                    journey.trend, journey.trended = subject, standing.time
                    break

    def _again(self, kind: str, name: str) -> bool:
        known = hash64(f"{kind}:{name}")
        if known in self._known:
            return True
        _put(self._known, known, None, KNOWN)
        return False


def _check(time: float) -> None:
    """Raise Invalid for an event time that can neither be shown nor be counted by the hour."""
    if not 0 <= time < CALENDAR:
        raise Invalid("the time is in no calendar")


def subjects(analysis: Analysis) -> list[str]:
    """What a review is about, as `trends` and `alerts` name it."""
    named = [f"topic:{topic.id}" for topic in analysis.topics] or [UNMATCHED]
    return named if analysis.item_id is None else [f"item:{analysis.item_id}", *named]


def _put(known: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """The newest `most` entries."""
    known[key] = value
    known.move_to_end(key)
    if len(known) > most:
        known.popitem(last=False)
