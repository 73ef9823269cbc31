"""What every open page shows alike, computed once for all of them.

A page refreshes twice a second. What it shows of the whole state (quantiles, the surest changes,
what its lists offer) would hold up the event loop anew for each open page.
"""

from typing import NamedTuple

from stream_app.dashboard.rates import Quantiles
from stream_app.dashboard.sentiment import ALL, Move
from stream_app.dashboard.state import DashboardState
from stream_app.schemas import Alert

SECONDS = 0.4
"""How long a summary counts as new: a little less than a page waits between two refreshes."""
OFFER_SECONDS = 5.0
"""How long the choices of the lists stay: browsers get all of them anew with each change."""
SUBJECTS = 300
USERS = 500
ITEMS = 1000
MOVES = 8
STEP = 5
"""Seconds of a step of the throughput."""
LINES = ("analyses", "recommendations")


class Choices(NamedTuple):
    """What the pages' lists offer."""

    subjects: list[str]
    """Most reviews first."""
    users: list[str]
    """Those with the newest events, in alphabetical order."""
    items: dict[str, str]
    """Titles by item, in alphabetical order of the titles."""


class Summary(NamedTuple):
    """Figures of one state at one time. Nobody may change what it holds."""

    rates: dict[str, float]
    """Messages a second, by topic."""
    lines: dict[str, list[tuple[int, float]]]
    """Messages a second in each step of the last minutes, by topic."""
    analysed: Quantiles | None
    refreshed: Quantiles | None
    surges: int
    """Open ones."""
    open_alerts: list[Alert]
    alerts: list[Alert]
    """Open or not, the newest event first."""
    moves: list[Move]
    choices: Choices


class Summaries:
    """The newest summary, made anew when a page asks and it is too old."""

    def __init__(self) -> None:
        self._state: DashboardState | None = None
        self._summary: Summary | None = None
        self._made = self._chosen = 0.0

    def at(self, state: DashboardState, now: float) -> Summary:
        """The summary of a state, at most SECONDS older than `now`, seconds since the epoch."""
        old = self._summary if state is self._state else None
        if old is not None and 0 <= now - self._made < SECONDS:
            return old
        if old is not None and 0 <= now - self._chosen < OFFER_SECONDS:
            choices = old.choices
        else:
            choices, self._chosen = _choices(state), now
        self._state, self._made = state, now
        self._summary = _summary(state, now, choices)
        return self._summary


def _summary(state: DashboardState, now: float, choices: Choices) -> Summary:
    return Summary(
        rates={name: rates.rate(now) for name, rates in state.rates.items()},
        lines={name: state.rates[name].series(now, STEP) for name in LINES},
        analysed=state.analysed.quantiles(now),
        refreshed=state.refreshed.quantiles(now),
        surges=sum(standing.surge for standing in state.standings.values()),
        open_alerts=state.open_alerts(),
        alerts=sorted(state.alerts.values(), key=lambda alert: (-alert.time, alert.id)),
        moves=state.sentiment_by_hour.moves(MOVES),
        choices=choices,
    )


def _choices(state: DashboardState) -> Choices:
    subjects = state.sentiment_by_hour.subjects(SUBJECTS)
    if ALL not in subjects:
        subjects.insert(0, ALL)
    return Choices(subjects, sorted(state.users.ids()[:USERS]), state.titles.first(ITEMS))
