"""Pages without a browser: NiceGUI's elements in this process, of a state that a test fills."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from nicegui import Client, core, ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.page import page as nicegui_page

from stream_app import profiles
from stream_app.dashboard import page
from stream_app.dashboard.publisher import Publisher
from stream_app.dashboard.reader import Reader
from stream_app.dashboard.summary import Summaries
from stream_app.dashboard.texts import Words
from stream_app.dashboard.view import View
from stream_app.messages.topics import BY_NAME
from stream_app.settings import Settings
from stream_app.text.mask import Masker


class Rendered(NamedTuple):
    """An open page."""

    client: Client
    refresh: Callable[[], None]
    """What the page does twice a second."""

    @property
    def texts(self) -> list[str]:
        """All that it says."""
        elements = self.client.elements.values()
        return [element.text for element in elements if isinstance(element, TextElement)]


def reader() -> Reader:
    """Reads nothing, but as if it might read every topic; its state is for tests to fill."""
    made = Reader(Settings(), Masker())
    made.known = frozenset(BY_NAME)
    return made


@contextmanager
def rendered(reader: Reader, users: list[str]) -> Iterator[list[Rendered]]:
    """Open pages that show these users, every other one in Chinese."""
    core.loop = asyncio.get_running_loop()
    # As ui.run_with sets them, which the clients' sending looks at.
    core.app.config.reconnect_timeout = 3.0
    core.app.config.message_history_length = 1000
    summaries, profile = Summaries(), profiles.load("shop")
    pages = []
    for number, user in enumerate(users):
        client = Client(nicegui_page("/test"), request=None)
        client.tab_id = "connected"  # so that changes are made ready to be sent
        with client:
            words = Words("zh" if number % 2 else "en")
            page.build(View(reader, Publisher(Settings()), words, profile, summaries), "auto", user)
        (timer,) = (e for e in client.elements.values() if isinstance(e, ui.timer))
        assert timer.callback is not None
        pages.append(Rendered(client, timer.callback))
    yield pages
    for made in pages:
        made.client.delete()
