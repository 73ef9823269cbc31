"""Sentiment over time of a topic or an item, and the subjects that changed most."""

import time
from collections.abc import Callable

from nicegui import ui

from stream_app.dashboard import charts
from stream_app.dashboard.select import Select
from stream_app.dashboard.sentiment import ALL, DAY_HOURS, HOURS, Slot
from stream_app.dashboard.summary import MOVES
from stream_app.dashboard.view import View, attribute, card, tag

SPANS = {"day": (DAY_HOURS, 1), "week": (HOURS, 6)}
"""Hours, and hours of a slot."""


class Chosen:
    """The subject that the chart shows."""

    def __init__(self) -> None:
        self.subject = ALL


class SentimentPanel:
    """The chart and what it is of."""

    def __init__(self, view: View, chosen: Chosen) -> None:
        self._view, self._chosen = view, chosen
        self._shown: tuple[str, list[Slot]] | None = None
        self._offered: list[str] = []
        words = view.words
        with card("sentiment", words("over_time"), words("over_time_note"), "wide"):
            with ui.element("div").classes("controls"):
                self._subject = Select(
                    {ALL: words("all")}, value=ALL, label=words("subject"), with_input=True,
                    on_change=self._choose,
                ).props("outlined dense options-dense").classes("grow")  # fmt: skip
                self._span = ui.toggle(
                    {span: words(span) for span in SPANS}, value="week",
                    on_change=lambda: self.refresh(time.time()),
                ).props("unelevated no-caps")  # fmt: skip
                attribute(self._span, "aria-label", words("span"))
            self._chart = ui.echart({}, renderer="svg").classes("chart")

    def refresh(self, now: float) -> None:
        """Draw again if a number changed."""
        self._offer(self._view.summary(now).choices.subjects)
        if self._subject.value != self._chosen.subject:
            self._subject.value = self._chosen.subject
        counts = self._view.state.sentiment_by_hour
        slots = counts.series(self._chosen.subject, *SPANS[self._span.value])
        name = self._view.subject(self._chosen.subject)
        if (name, slots) != self._shown:
            self._shown = name, slots
            self._chart.options.update(charts.sentiment_over_time(slots, name, self._view.words))
            self._chart.update()

    def _offer(self, subjects: list[str]) -> None:
        if subjects is self._offered and self._chosen.subject in self._subject.options:
            return
        self._offered = subjects
        options = {name: self._view.subject(name) for name in (*subjects, self._chosen.subject)}
        if options != self._subject.options:
            self._subject.set_options(options, value=self._chosen.subject)

    def _choose(self) -> None:
        if self._subject.value is not None:
            self._chosen.subject = self._subject.value
            self.refresh(time.time())


class Moving:
    """A table; a name in it shows the subject in the chart."""

    def __init__(self, view: View, chosen: Chosen) -> None:
        self._view, self._chosen = view, chosen
        words = view.words
        with card("moving", words("moving"), words("moving_note")):
            self._empty = tag("p", words("moving_empty"), "empty")
            with ui.element("div").classes("scroll"), ui.element("table") as self._table:
                with ui.element("thead"), ui.element("tr"):
                    for column in ("subject", "reviews", "before", "now", "popularity"):
                        classes = "" if column == "subject" else "number"
                        tag("th", words(f"col_{column}"), classes).props("scope=col")
                with ui.element("tbody"):
                    # Rows stay, so that the keyboard's focus does; their contents change.
                    self._rows = [_Row(self._show) for _ in range(MOVES)]

    def refresh(self, now: float) -> None:
        """Show the surest changes."""
        view = self._view
        moves = view.summary(now).moves
        self._empty.set_visibility(not moves)
        self._table.set_visibility(bool(moves))
        for row, move in zip(self._rows, [*moves, *[None] * MOVES], strict=False):
            row.element.set_visibility(move is not None)
            if move is None:
                continue
            standing = view.state.standings.get(move.subject)
            worse = move.z > 0
            row.subject = move.subject
            row.name.text = view.subject(move.subject)
            row.reviews.text = f"{move.reviews:,}"
            row.before.text = f"{move.before:.0%}"
            word = view.words("worse" if worse else "better")
            row.now.text = f"{'▼' if worse else '▲'} {move.share:.0%} {word}"
            row.now.classes(
                add="negative" if worse else "positive", remove="positive" if worse else "negative"
            )
            # Only items are bought and looked at.
            item = standing if move.subject.startswith("item:") else None
            row.popularity.text = "–" if item is None else f"{item.popularity:.1f}"
            row.surge.text = view.words("surge")
            row.surge.set_visibility(standing is not None and standing.surge)

    def _show(self, row: "_Row") -> None:
        self._chosen.subject = row.subject


class _Row:
    def __init__(self, show: Callable[["_Row"], None]) -> None:
        self.subject = ALL
        with ui.element("tr") as self.element:
            with ui.element("td"):
                self.name = ui.button("", on_click=lambda: show(self)).props(
                    "flat dense no-caps align=left"
                )
                self.name.classes("link")
                self.surge = tag("span", "", "chip negative")
            self.reviews = tag("td", "", "number")
            self.before = tag("td", "", "number")
            self.now = tag("td", "", "number strong")
            self.popularity = tag("td", "", "number")
