"""The page in a browser, beside the running demo: its numbers are those of the topics."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from stream_app import schemas
from stream_app.broker.process import await_ready, free_ports
from stream_app.demo import corpus
from stream_app.messages.identity import event_hash
from stream_app.messages.topics import LARGE
from stream_app.schemas import Alert, Evidence
from tests.dashboard.browsing import Demo, interruptible

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
FASTEST = 2.0
"""Seconds in which the page follows the topics."""

Stored = list[Any]


def stored(demo: Demo, topic: str) -> Stored:
    """Every message of a topic, read apart from the page's own reading."""
    # Playwright has this thread's event loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _stored(demo.broker, topic)).result()


async def _stored(broker: str, topic: str) -> Stored:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker, fetch_max_wait_ms=50, max_partition_fetch_bytes=LARGE
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(4)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: Stored = []
        # The embedded broker's end offsets count batches: the fetches know better.
        while [consumer.highwater(tp) for tp in partitions] != [
            await consumer.position(tp) for tp in partitions
        ]:
            for messages in (await consumer.getmany(timeout_ms=100)).values():
                found += messages
        return found
    finally:
        await consumer.stop()


def values(demo: Demo, topic: str) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in stored(demo, topic)]


class Opened:
    """A page, and all that its console said."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("console", lambda m: self._note(m.type, m.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))
        self.page.on("requestfailed", lambda request: self._note("error", request.url))
        # It must work without the net.
        self.page.on(
            "request", lambda r: None if "//127.0.0.1:" in r.url else self._note("error", r.url)
        )

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, kind: Any, *rest: Any) -> None:
        self.context.close()
        if kind is None:
            assert self.errors == []


def opened(
    browser: Browser, demo: Demo, *, language: str = "en", theme: str = "light", size: Any = DESKTOP
) -> Opened:
    tab = Opened(
        browser, viewport=size, color_scheme=theme,
        locale="zh-CN" if language == "zh" else "en-US",
    )  # fmt: skip
    tab.page.goto(demo.url)
    ready(tab.page)
    return tab


def ready(page: Page) -> None:
    """The figures are there, and the charts drawn."""
    expect(page.locator("[data-figure=users]")).to_have_text(re.compile(r"\d"))
    expect(page.locator("#sentiment svg path").first).to_be_attached()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def shows(page: Page, name: str, value: int, seconds: float = 30.0) -> None:
    """Wait until a figure is that."""
    shown = page.locator(f"[data-figure={name}]")
    expect(shown).to_have_text(f"{value:,}", timeout=1000 * seconds)


def figure(page: Page, name: str) -> int:
    return int(page.locator(f"[data-figure={name}]").inner_text().replace(",", ""))


def test_numbers_on_the_page_are_those_of_the_topics(chromium: Browser, demo: Demo) -> None:
    reviews = {a["id"]: a for a in values(demo, "analyses")}
    sentiments = Counter(a["sentiment"] for a in reviews.values())
    alerts = {a["id"]: a for a in values(demo, "alerts")}
    recommendations = values(demo, "recommendations")
    letters = stored(demo, "dead-letters")
    causes = Counter(dict(m.headers)["__connect.errors.exception.message"] for m in letters)
    with opened(chromium, demo) as page:
        shows(page, "analyses", len(reviews))
        assert {sentiment: figure(page, sentiment) for sentiment in sentiments} == sentiments
        assert figure(page, "alerts-open") == sum(
            a["kind"] != "surge_over" for a in alerts.values()
        )
        assert figure(page, "users") == len({r["user_id"] for r in recommendations})
        assert figure(page, "dead-letters") == len(letters) == sum(causes.values())
        # Numbers within reasons are left out, so several may be one row.
        rows = page.locator("[data-cause]").all_inner_texts()
        assert sum(map(int, rows)) == len(letters)
        chart = page.locator("#sentiment .nicegui-echart")
        counted = [int(n) for n in re.findall(r"\d+", chart.get_attribute("aria-label") or "")]
        # A week in slots of six hours, the newest of which has begun only.
        newest = max(a["time"] for a in reviews.values()) // 3600 // 6
        week = Counter(
            a["sentiment"] for a in reviews.values() if a["time"] // 3600 // 6 > newest - 28
        )
        assert counted == [week[sentiment] for sentiment in ("negative", "neutral", "positive")]

        shown = page.locator("#user [data-item]")
        (*_, newest) = [r for r in recommendations if r["user_id"] == corpus.SHOWN_USER]
        wanted = [(i["item_id"], i["title"], i["reasons"][0]["en"]) for i in newest["items"]]
        for place, (item, title, reason) in enumerate(wanted[: shown.count()]):
            assert shown.nth(place).get_attribute("data-item") == item
            assert title in shown.nth(place).inner_text()
            assert reason in shown.nth(place).inner_text()
        assert shown.count() == 8

        # One topic's chart, chosen in the list.
        battery = Counter(
            a["sentiment"] for a in reviews.values() if "battery" in [t["id"] for t in a["topics"]]
        )
        page.get_by_label("Topic or item").fill("Battery")
        page.get_by_role("option", name="Battery", exact=True).click()
        told = f"Reviews of Battery: {battery['negative']} negative, "
        expect(chart).to_have_attribute("aria-label", re.compile(told))


def test_what_the_last_review_changed_is_what_the_topic_says(chromium: Browser, demo: Demo) -> None:
    lists = [r for r in values(demo, "recommendations") if r["user_id"] == corpus.SHOWN_USER]
    last = max(i for i, r in enumerate(lists) if r["based_on"]["kind"] == "review")
    before, after = ([i["item_id"] for i in r["items"]] for r in lists[last - 1 : last + 1])
    with opened(chromium, demo) as page:
        for place, item in enumerate(after[:8]):
            row = page.locator(f"#user [data-item={item}]").inner_text()
            moved = before.index(item) - place if item in before else None
            told = "new" if moved is None else f"up {moved}" if moved > 0 else (
                f"down {-moved}" if moved < 0 else "unchanged"
            )  # fmt: skip
            assert told in row
        intensity = f"{lists[last]['based_on']['intensity']:+.2f}".replace("-", "−")
        assert intensity in page.locator("[data-figure=changed]").inner_text()


def test_a_review_travels_within_two_seconds(chromium: Browser, demo: Demo) -> None:
    with opened(chromium, demo) as page:
        before = figure(page, "analyses")
        box = page.locator("#write")
        text = "A swollen battery, it burned my hand and the shop hung up on me: 13800138000!"
        box.get_by_label("Your review").fill(text)
        box.get_by_label("As the user").fill("u-visitor")
        box.get_by_role("button", name="Send").click()
        analysed = box.locator("[data-step=analysed].done")
        expect(analysed).to_be_attached(timeout=20_000)
        seen = time.time()
        (told,) = [m for m in stored(demo, "analyses") if b"it burned my hand and" in m.value]
        assert seen - told.timestamp / 1000 < FASTEST
        assert "[PHONE]" in box.inner_text() and "13800138000" not in page.content()
        for step in ("listed", "trended", "alerted"):
            expect(box.locator(f"[data-step={step}].done")).to_be_attached(timeout=10_000)
        shows(page, "analyses", before + 1, FASTEST)
        # The page shows the writer now, and the alert.
        expect(page.get_by_label("User", exact=True)).to_have_value("u-visitor")
        written = event_hash("review", "u-visitor", json.loads(told.value)["id"])
        expect(page.locator(f"[data-alert$=':{written:016x}']")).to_be_attached()


def test_an_alert_is_acknowledged_by_keyboard_on_every_page(chromium: Browser, demo: Demo) -> None:
    with opened(chromium, demo) as page, opened(chromium, demo, language="zh") as other:
        alerts = {a["id"]: a["kind"] for a in values(demo, "alerts")}
        before = sum(kind != "surge_over" for kind in alerts.values())
        shows(page, "alerts-open", before)
        first = page.locator("[data-alert]").first
        alert = first.get_attribute("data-alert")
        first.get_by_role("button").focus()
        page.keyboard.press("Enter")
        for tab in (page, other):
            expect(tab.locator(f"[data-alert='{alert}']")).to_have_count(0)
            shows(tab, "alerts-open", before - 1)
        (told,) = [a for a in values(demo, "acknowledgements") if a["alert_id"] == alert]
        assert not told.get("withdrawn")
        # And taken back.
        page.get_by_role("switch", name="Show acknowledged").click()
        seen = page.locator(f"[data-alert='{alert}']")
        seen.get_by_role("button", name=re.compile("^Reopen")).press("Space")
        expect(other.locator(f"[data-alert='{alert}']")).to_have_count(1)
        # Each page looks at its own time.
        shows(page, "alerts-open", before)


def test_an_alert_of_a_later_version_is_shown(chromium: Browser, demo: Demo) -> None:
    later = Alert("flood:1", "flood", "item:p-1", time.time(), "ten times as many", Evidence())
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _sent(demo.broker, "alerts", schemas.encode(later))).result()
    with opened(chromium, demo) as page:
        shown = page.locator("[data-alert='flood:1']")
        expect(shown.locator(".chip.neutral")).to_have_text("flood")
        expect(shown).to_contain_text("ten times as many")


async def _sent(broker: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        await producer.send_and_wait(topic, value, b"k")


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(
    chromium: Browser, demo: Demo
) -> None:
    where = """() => {
      const e = document.activeElement, style = getComputedStyle(e);
      const field = e.closest('.q-field--focused');
      return {
        part: e.closest('header')?.tagName || e.closest('section')?.id || e.tagName,
        name: e.getAttribute('aria-label') || e.innerText || e.id,
        shown: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 || !!field,
        link: e.className,
      };
    }"""
    with opened(chromium, demo) as page:
        stops: list[dict[str, Any]] = []
        for _ in range(200):
            page.keyboard.press("Tab")
            stops.append(page.evaluate(where))
            if stops[-1]["part"] == "BODY":
                break
        else:
            pytest.fail("the keyboard does not come round")
        stops.pop()
        assert stops[0]["link"].startswith("skip")
        assert [s for s in stops if not s["shown"]] == []
        parts = list(dict.fromkeys(stop["part"] for stop in stops[1:]))
        assert parts == ["HEADER", "sentiment", "alerts", "user", "write", "moving"]
        reached = {stop["name"] for stop in stops}
        assert {"Theme: Dark", "中文", "Send"} <= reached
        # The first stop leads past the header.
        page.keyboard.press("Home")
        page.locator("a.skip").focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("#main$"))


def test_theme_and_language_are_chosen_and_kept(chromium: Browser, demo: Demo) -> None:
    with opened(chromium, demo, theme="dark") as page:
        body = page.locator("body")
        expect(body).to_have_class(re.compile("body--dark"))
        light = page.get_by_role("button", name="Theme: Light")
        light.click()
        # Whoever reloads at once, before the page was told, has chosen as well.
        page.reload()
        ready(page)
        expect(body).to_have_class(re.compile("body--light"))
        expect(light).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Theme: Dark").click()
        expect(body).to_have_class(re.compile("body--dark"))
        expect(light).to_have_attribute("aria-pressed", "false")
        page.get_by_role("link", name="中文").click()
        expect(page.locator("h1")).to_have_text("实时反馈")
        assert page.locator("html").get_attribute("lang") == "zh-CN"


def test_a_token_opens_the_page_and_nothing_else_does(chromium: Browser, demo: Demo) -> None:
    (port,) = free_ports(1)
    token = "a-token-of-the-tests"
    address = f"http://127.0.0.1:{port}"
    own = {
        "BROKER": demo.broker, "FETCH_WAIT_MS": "100", "DASHBOARD_PORT": str(port),
        "HTTP_TOKEN": token,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "stream_app", "dashboard"],
        env=dict(os.environ) | {f"STREAM_APP_{name}": value for name, value in own.items()},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=interruptible,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{address} until Ctrl-C\n"
        tab = Opened(chromium, viewport=PHONE, locale="zh-CN")

        def alive() -> None:
            assert process.poll() is None

        with tab as page:
            await_ready(lambda: _listens(port), alive, 30)
            page.goto(f"{address}/zh")
            expect(page.locator("#sentiment")).to_have_count(0)
            page.get_by_label("Token").fill("wrong")
            page.get_by_role("button").click()
            expect(page.get_by_role("alert")).to_be_visible()
            page.get_by_label("Token").fill(token)
            page.get_by_role("button").click()
            ready(page)
            # Its socket is let in too: the page lives.
            expect(page.locator("[data-state=live]")).to_be_attached()
            assert figure(page, "dead-letters") == len(stored(demo, "dead-letters"))
            # The form itself is an answer of 401, which a browser tells its console.
            tab.errors = [error for error in tab.errors if "401" not in error]
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[0]
    assert process.returncode == 0, said
    assert token not in said


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh", "dark")])
def test_nothing_for_axe_to_complain_of_and_no_sideways_scrolling(
    chromium: Browser, demo: Demo, shots: Path, language: str, theme: str, size: str
) -> None:
    with opened(
        chromium, demo, language=language, theme=theme, size=PHONE if size == "phone" else DESKTOP
    ) as page:
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        told = [
            (v["id"], [node["html"][:160] for node in v["nodes"]][:3])
            for v in found.response["violations"]
        ]
        assert told == []
        wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room
        page.screenshot(path=shots / f"{size}-{language}-{theme}.png", full_page=True)
