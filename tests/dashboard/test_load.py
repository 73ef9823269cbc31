"""Many open pages: what a refresh costs the event loop, in the fullest state that there can be.

Measured as processor time of the loop's thread, which others on this machine do not lengthen.
Python's full garbage collections are not counted: they come seldom, and walk over every element
of every open page, whoever made the garbage.
"""

import asyncio
import gc
import random
import time
from collections.abc import Callable

from stream_app.dashboard import page, sentiment, titles, users
from stream_app.dashboard import state as state_module
from stream_app.dashboard.rates import SAMPLES
from stream_app.dashboard.reader import BETWEEN
from stream_app.dashboard.state import DashboardState
from tests.dashboard.rendered import reader, rendered
from tests.dashboard.test_state import alert, analysis, listed, message, trend

PAGES = 20
SECONDS = 5.0
REFRESH_MS = 5.0
"""Processor time of one page's refresh, at the median."""
LONGEST_MS = 150.0
"""The longest refresh, one that draws another list: 20 to 60 as measured."""
SHARE = 0.5
"""Of the loop's time, for all pages, what they send, and reading 500 reviews a second. When each
page computed everything for itself the pages alone took more than there is."""


class Clock:
    """Processor time of this thread without what garbage collections took."""

    def __init__(self) -> None:
        self._collecting = self._begun = 0.0

    def __enter__(self) -> "Clock":
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, info: object) -> None:
        if phase == "start":
            self._begun = time.thread_time()
        else:
            self._collecting += time.thread_time() - self._begun

    def now(self) -> float:
        """Seconds."""
        return time.thread_time() - self._collecting


def fill(state: DashboardState, now: float) -> None:
    """Every bound of the state is reached."""
    draw = random.Random(1)
    for number in range(max(sentiment.SUBJECTS, state_module.SUBJECTS)):
        for hour in range(0, sentiment.HOURS if number < sentiment.SUBJECTS else 0, 8):
            opinion = draw.choice(sentiment.ORDER)
            state.sentiment_by_hour.add([f"item:p{number}"], now - hour * sentiment.HOUR, opinion)
        state.apply(message("trends", trend(f"item:p{number}", now), time=now), now)
    for number in range(titles.TITLES):
        state.titles.put(f"p{number}", f"Item {draw.random()}")
    for number in range(SAMPLES):
        events(state, number, now - draw.random() * 200)


def events(state: DashboardState, number: int, now: float) -> None:
    """One review, and what comes of it."""
    user = f"u{number % users.USERS}"
    about = analysis(number, item=f"p{number}", user=user, time=now)
    state.apply(message("analyses", about, time=now, received=now - 0.1), now)
    found = listed(user, [f"p{number + n}" for n in range(10)], number, "review")  # type: ignore[arg-type]
    state.apply(message("recommendations", found, time=now), now)
    if number % 1000 == 0:
        state.apply(message("alerts", alert(number, time=now), time=now), now)


async def test_twenty_open_pages_do_not_hold_up_the_loop() -> None:
    reading = reader()
    fill(reading.state, time.time())
    with rendered(reading, [f"u{n}" for n in range(PAGES)]) as pages, Clock() as clock:
        taken: list[float] = []
        # What the new pages are made of is sent first.
        await asyncio.sleep(1.0)
        ends = time.monotonic() + SECONDS

        async def follow(refresh: Callable[[], None], phase: float) -> None:
            await asyncio.sleep(phase)
            while time.monotonic() < ends:
                begin = clock.now()
                refresh()
                taken.append(clock.now() - begin)
                await asyncio.sleep(page.EVERY)

        async def read() -> None:
            number = SAMPLES
            while time.monotonic() < ends:
                for _ in range(BETWEEN // 2):
                    events(reading.state, number, time.time())
                    number += 1
                await asyncio.sleep(0.05)

        phases = (page.EVERY * number / PAGES for number in range(PAGES))
        follows = (follow(p.refresh, phase) for p, phase in zip(pages, phases, strict=True))
        began, busy = time.monotonic(), clock.now()
        await asyncio.gather(*follows, read())
        share = (clock.now() - busy) / (time.monotonic() - began)
    median, longest = 1000 * sorted(taken)[len(taken) // 2], 1000 * max(taken)
    print(
        f"refresh: median {median:.1f} ms, longest {longest:.0f} ms; the loop's share {share:.0%}"
    )
    assert median < REFRESH_MS
    assert longest < LONGEST_MS
    assert share < SHARE
