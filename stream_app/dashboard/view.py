"""What the panels of one open page share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from stream_app.dashboard.publisher import Publisher
from stream_app.dashboard.reader import Reader
from stream_app.dashboard.sentiment import ALL
from stream_app.dashboard.state import UNMATCHED, DashboardState
from stream_app.dashboard.summary import Summaries, Summary
from stream_app.dashboard.texts import Words
from stream_app.profiles import Profile


@dataclass(frozen=True)
class View:
    """The data, the language, and the names of things in it."""

    reader: Reader
    publisher: Publisher
    words: Words
    profile: Profile
    summaries: Summaries

    @property
    def state(self) -> DashboardState:
        """The present one: a break in reading begins a new one."""
        return self.reader.state

    def summary(self, now: float) -> Summary:
        """What all pages show alike, at `now`, seconds since the epoch."""
        return self.summaries.at(self.state, now)

    def subject(self, name: str) -> str:
        """`topic:battery` → `Battery`, `item:p-101` → the item's title."""
        kind, _, own = name.partition(":")
        match kind:
            case "item":
                return self.item(own)
            case "topic":
                return self.topic(own)
            case "user":
                return self.words("user_subject", name=own)
        return self.words({ALL: "all", UNMATCHED: "unmatched"}.get(name, "subject"))

    def item(self, item_id: str) -> str:
        """An item's title, or its id while no list has named it."""
        return self.state.titles.get(item_id) or item_id

    def topic(self, topic_id: str) -> str:
        """A topic's name in the profile."""
        for topic in self.profile.topics:
            if topic.id == topic_id:
                return self.words.pick(topic.name, topic.zh)
        return topic_id


class Panel(Protocol):
    """A part of the page that is refreshed from the state."""

    def refresh(self, now: float) -> None:
        """Show what the state says at `now`, seconds since the epoch."""


def tag(name: str, text: str = "", classes: str = "") -> TextElement:
    """An HTML element with text; its contents are never read as HTML."""
    return TextElement(tag=name, text=text).classes(classes)


def attribute(element: ui.element, name: str, value: str) -> ui.element:
    """Set an HTML attribute to any text."""
    if element.props.get(name) != value:
        element.props[name] = value
        element.update()
    return element


@contextmanager
def card(key: str, title: str, note: str = "", classes: str = "") -> Iterator[ui.element]:
    """A part with a heading that names it; `key` is its id."""
    with ui.element("section").classes(f"card {classes}") as section:
        attribute(section, "id", key)
        attribute(section, "aria-labelledby", f"{key}-title")
        with ui.element("div").classes("card-head"):
            attribute(tag("h2", title), "id", f"{key}-title")
            if note:
                tag("p", note, "note")
        yield section
