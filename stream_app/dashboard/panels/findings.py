"""Emerging topics, and dead letters by reason."""

from nicegui import ui

from stream_app.dashboard.dead_letters import Cause
from stream_app.dashboard.view import View, attribute, card, tag
from stream_app.schemas import Emerging

TOPICS = 6
CAUSES = 12


class EmergingPanel:
    """Topics that the profile does not name."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._shown: list[Emerging] | None = None
        words = view.words
        with card("emerging", words("emerging"), words("emerging_note")):
            self._body = ui.element("div")

    def refresh(self, now: float) -> None:
        """Show the heaviest."""
        found = self._view.state.emerging[:TOPICS]
        if found == self._shown:
            return
        self._shown = found
        words = self._view.words
        self._body.clear()
        with self._body:
            if not found:
                tag("p", words("emerging_empty"), "empty")
                return
            with ui.element("ul").classes("feed"):
                for topic in found:
                    with ui.element("li"):
                        with ui.element("div").classes("alert-head"):
                            tag("span", " · ".join(topic.words[:5]), "strong")
                            tag("span", words("reviews_of", n=f"{topic.size:,}"), "note")
                        for text in topic.examples[:1]:
                            tag("blockquote", text)


class DeadLettersPanel:
    """Counts of dead letters by reason; their contents are not read."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._shown: tuple[bool, list[tuple[Cause, int]]] | None = None
        words = view.words
        with card("dead-letters", words("dead_letters"), words("dead_letters_note")):
            self._unreadable = tag("p", "", "empty")
            self._body = ui.element("div").classes("scroll")

    def refresh(self, now: float) -> None:
        """Show the most frequent."""
        may = self._view.reader.reads("dead-letters")
        causes = self._view.state.dead_letters.causes()[:CAUSES]
        unreadable = self._view.state.unreadable
        self._unreadable.text = self._view.words("unreadable", n=f"{unreadable:,}")
        self._unreadable.set_visibility(unreadable > 0)
        if (may, causes) == self._shown:
            return
        self._shown = may, causes
        words = self._view.words
        self._body.clear()
        with self._body:
            if not causes:
                tag("p", words("dead_letters_empty" if may else "dead_letters_denied"), "empty")
                return
            with ui.element("table"):
                with ui.element("thead"), ui.element("tr"):
                    tag("th", words("col_reason")).props("scope=col")
                    tag("th", words("col_step")).props("scope=col")
                    tag("th", words("col_count"), "number").props("scope=col")
                with ui.element("tbody"):
                    for cause, count in causes:
                        with ui.element("tr"):
                            tag("td", cause.reason, "reason")
                            tag("td", " · ".join(filter(None, (cause.topic, cause.stage))), "note")
                            attribute(tag("td", f"{count:,}", "number"), "data-cause", cause.reason)
