"""The row of figures at the top."""

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from stream_app.dashboard import texts as units
from stream_app.dashboard.sentiment import ORDER
from stream_app.dashboard.users import USERS
from stream_app.dashboard.view import View, attribute, tag


class Figures:
    """Counts, rates and latency."""

    def __init__(self, view: View) -> None:
        self._view = view
        words = view.words
        with ui.element("section").classes("figures") as section:
            attribute(section, "aria-label", words("figures"))
            self._reviews = _figure("analyses", words("reviews"))
            self._latency = _figure("latency", words("latency"))
            with ui.element("div").classes("card figure"):
                tag("h2", words("sentiment"), "label")
                with ui.element("div").classes("bar") as bar:
                    attribute(bar, "aria-hidden", "true")
                    self._shares = {m: ui.element("span").classes(m) for m in ORDER}
                with ui.element("ul").classes("sentiments"):
                    self._counts = {name: _sentiment(view, name) for name in ORDER}
            self._alerts = _figure("alerts-open", words("alerts_open"))
            self._lists = _figure("users", words("lists"))
            self._dead = _figure("dead-letters", words("dead"))

    def refresh(self, now: float) -> None:
        """Show the counts."""
        state, words = self._view.state, self._view.words
        summary = self._view.summary(now)
        rates = {name: units.rate(rate) for name, rate in summary.rates.items()}
        _show(
            self._reviews, f"{state.reviews:,}",
            words("per_second", rate=rates["analyses"])
            + (" · " + words("masked", n=f"{state.masked:,}") if state.masked else ""),
        )  # fmt: skip
        analysed, refreshed = summary.analysed, summary.refreshed
        if analysed is None:
            _show(self._latency, "–", words("latency_none"))
        else:
            listed = "–" if refreshed is None else units.seconds(refreshed.median)
            note = words("latency_note", high=units.seconds(analysed.high), list=listed)
            _show(self._latency, units.seconds(analysed.median), note)
        for name, label in self._counts.items():
            label.text = f"{state.sentiments[name]:,}"
            share = state.sentiments[name] / max(state.reviews, 1)
            self._shares[name].style(f"width: {share:.1%}")
        _show(
            self._alerts, f"{len(summary.open_alerts):,}",
            words("alerts_note", total=f"{state.alerted:,}", surges=summary.surges),
        )  # fmt: skip
        full = "+" if len(state.users) >= USERS else ""
        _show(
            self._lists, f"{len(state.users):,}{full}",
            words("per_second_lists", rate=rates["recommendations"]),
        )  # fmt: skip
        if self._view.reader.reads("dead-letters"):
            note = words("per_second", rate=rates["dead-letters"])
            _show(self._dead, f"{state.dead_letters.total:,}", note)
        else:
            _show(self._dead, "–", words("not_allowed"))


def _figure(key: str, label: str) -> tuple[TextElement, TextElement]:
    with ui.element("div").classes("card figure"):
        tag("h2", label, "label")
        value = tag("p", "–", "value")
        attribute(value, "data-figure", key)
        return value, tag("p", "", "note")


def _sentiment(view: View, name: str) -> TextElement:
    with ui.element("li").classes(f"sentiment {name}"):
        tag("span", units.sign(name), "sign").props("aria-hidden=true")
        count = tag("span", "0", "count")
        attribute(count, "data-figure", name)
        tag("span", view.words.sentiment(name))
        return count


def _show(figure: tuple[TextElement, TextElement], value: str, note: str) -> None:
    figure[0].text, figure[1].text = value, note
