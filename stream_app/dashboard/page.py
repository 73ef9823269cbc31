"""The page, in two languages."""

import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fastapi import Request
from fastapi.responses import RedirectResponse
from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from stream_app.dashboard.panels.alerts import Alerts
from stream_app.dashboard.panels.figures import Figures
from stream_app.dashboard.panels.findings import DeadLettersPanel, EmergingPanel
from stream_app.dashboard.panels.rates import RatesPanel
from stream_app.dashboard.panels.review import ReviewPanel
from stream_app.dashboard.panels.sentiment import Chosen, Moving, SentimentPanel
from stream_app.dashboard.panels.user import UserPanel
from stream_app.dashboard.publisher import Publisher
from stream_app.dashboard.reader import Reader
from stream_app.dashboard.summary import Summaries
from stream_app.dashboard.texts import Language, Words
from stream_app.dashboard.view import Panel, View, attribute, tag
from stream_app.profiles import Profile

EVERY = 0.5
"""Seconds between two refreshes."""
THEMES: dict[str, bool | None] = {"auto": None, "light": False, "dark": True}
ICONS = {"auto": "contrast", "light": "light_mode", "dark": "dark_mode"}
STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
YEAR = 365 * 86_400


def add_pages(reader: Reader, publisher: Publisher, profile: Profile) -> None:
    """`/en`, `/zh`, and `/`, which leads to the one that the browser asks for."""
    summaries = Summaries()

    @ui.page("/")
    def root(request: Request) -> RedirectResponse:
        asked = request.headers.get("accept-language", "").lower()
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(("/zh" if asked.startswith("zh") else "/en") + query)

    @ui.page("/en", language="en-US", dark=None, title="stream-app")
    def english(request: Request, user: str = "") -> None:
        build(View(reader, publisher, Words("en"), profile, summaries), _theme(request), user)

    @ui.page("/zh", language="zh-CN", dark=None, title="stream-app")
    def chinese(request: Request, user: str = "") -> None:
        build(View(reader, publisher, Words("zh"), profile, summaries), _theme(request), user)


def build(view: View, theme: str, user_id: str) -> None:
    """One open page, which follows the state until it is closed."""
    ui.add_css(STYLE)
    words = view.words
    with ui.header(fixed=False).classes("top"):
        attribute(tag("a", words("skip"), "skip"), "href", "#main")
        since, status = _header(view, theme)
    chosen = Chosen()
    panels: list[Panel] = []
    # The layout around it is the main landmark.
    with attribute(ui.element("div"), "id", "main"):
        panels.append(Figures(view))
        with ui.element("div").classes("grid stretch"):
            panels.append(SentimentPanel(view, chosen))
            panels.append(Alerts(view))
        with ui.element("div").classes("grid"):
            with ui.element("div").classes("column-of-cards wide"):
                user = UserPanel(view, user_id)
                panels.append(user)
                panels.append(DeadLettersPanel(view))
            with ui.element("div").classes("column-of-cards"):
                panels.append(ReviewPanel(view, lambda: user.user_id, user.choose))
                panels.append(Moving(view, chosen))
                panels.append(EmergingPanel(view))
                panels.append(RatesPanel(view))

    def refresh() -> None:
        now = time.time()
        since.text = f"stream-app · {view.profile.name} · {_since(view)}"
        _show_status(view, status)
        for panel in panels:
            panel.refresh(now)

    refresh()
    ui.timer(EVERY, refresh)


def _header(view: View, theme: str) -> tuple[TextElement, TextElement]:
    words = view.words
    other: Language = "en" if words.language == "zh" else "zh"
    dark = ui.dark_mode(THEMES[theme])

    def paint(name: str) -> None:
        dark.value = THEMES[name]
        for other, button in buttons.items():
            attribute(button, "aria-pressed", str(other == name).lower())

    with ui.element("div").classes("brand"):
        tag("h1", words("title"))
        since = tag("p", "", "note")
    status = tag("p", "", "status")
    attribute(status, "role", "status")
    with attribute(ui.element("nav").classes("tools"), "aria-label", words("theme")):
        buttons: dict[str, ui.element] = {}
        for name, icon in ICONS.items():
            button = ui.button(icon=icon).props("flat round")
            # Kept by the browser before the page is told: a reload right after finds it.
            keep = f"document.cookie='theme={name};path=/;max-age={YEAR};samesite=strict'"
            button.on("click", partial(paint, name), js_handler=f"() => {{{keep}; emit()}}")
            label = f"{words('theme')}: {words(f'theme_{name}')}"
            attribute(attribute(button, "aria-label", label), "title", label)
            buttons[name] = attribute(button, "aria-pressed", str(name == theme).lower())
        link = tag("a", words("other_language"), "language")
        attribute(attribute(link, "href", f"/{other}"), "hreflang", other)
        attribute(link, "lang", other)
    return since, status


def _since(view: View) -> str:
    began = datetime.fromtimestamp(view.reader.since, UTC)
    return view.words("since", time=began.strftime("%m-%d %H:%M UTC"))


def _show_status(view: View, status: TextElement) -> None:
    reader, words = view.reader, view.words
    if not reader.live:
        state, text = "silent", words("silent")
    elif reader.lag > 1000:
        state, text = "reading", words("reading", n=f"{reader.lag:,}")
    else:
        state, text = "live", words("live")
    status.text = text
    attribute(status, "data-state", state)


def _theme(request: Request) -> str:
    theme = request.cookies.get("theme", "")
    return theme if theme in THEMES else "auto"
