"""The demo's terminal view."""

from collections import Counter
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from stream_app.demo.account import Account
from stream_app.messages.rendering import COLOURS

SHOWN = 6


def draw(
    account: Account,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    seconds: float,
    page: str = "",
) -> RenderableType:
    """Everything at a glance; `before` and `after`: the shown user's recommendations; `page`:
    where to see it in a browser."""
    done = len(account.sent) - len(account.open())
    moods = Counter(analysis["sentiment"] for analysis in account.analyses.values())
    head = (
        f"{len(account.sent)} messages in, {done} accounted for, {seconds:.0f} s, "
        f"{len(account.analyses) / max(seconds, 1):.0f} reviews/s   "
        + "  ".join(f"[{colour}]{mood} {moods[mood]}[/]" for mood, colour in COLOURS.items())
    )
    return Group(
        Panel(head, title="stream-app", subtitle=page or None),
        Panel(_alerts(account), title=f"alerts ({len(account.alerts)})"),
        Columns(
            [
                Panel(_ranked(before), title="u-007 before the review of the tent"),
                Panel(_ranked(after), title="… and after it"),
            ],
            equal=True,
            expand=True,
        ),
        Columns(
            [
                Panel(
                    Group(_trends(account), *_emerging(account)),
                    title=f"trends ({len(account.trends)})",
                ),
                Panel(_dead(account), title=f"dead letters ({len(account.dead)})"),
            ],
            equal=True,
            expand=True,
        ),
    )


def _alerts(account: Account) -> Table:
    table = Table.grid(padding=(0, 1))
    newest = sorted(account.alerts.values(), key=lambda alert: alert["time"])
    surges = [a for a in newest if a["kind"] != "severe"][-4:]
    severe = [a for a in newest if a["kind"] == "severe"][-SHOWN:]
    for alert in surges + severe:
        evidence = " ".join(alert["evidence"].get("texts", []))
        table.add_row(
            f"[bold red]{alert['kind']}[/]",
            escape(alert["subject"]),
            escape(alert["reason"]),
            f"[dim]{escape(evidence[:60])}[/]",
        )
    return table


def _ranked(record: dict[str, Any] | None) -> Table:
    table = Table.grid(padding=(0, 1))
    for item in (record or {}).get("items", [])[:SHOWN]:
        reason = item["reasons"][0]["en"] if item["reasons"] else ""
        table.add_row(f"{item['score']:.2f}", escape(item["title"]), f"[dim]{escape(reason)}[/]")
    return table


def _trends(account: Account) -> Table:
    table = Table.grid(padding=(0, 1))
    moving = sorted(
        account.trends.values(),
        key=lambda t: (-sum(w["reviews"] for w in t["history"]) - t["reviews"], t["subject"]),
    )
    for trend in moving[:SHOWN]:
        windows = [*trend["history"], trend]
        reviews = sum(w["reviews"] for w in windows)
        negative = sum(w["reviews"] * w["negative_share"] for w in windows)
        table.add_row(
            escape(trend["subject"]),
            f"{reviews} reviews",
            f"{negative / max(reviews, 1):.0%} negative",
            f"popularity {trend['popularity']:.1f}",
            "[red]surge[/]" if trend.get("surge") else "",
        )
    return table


def _emerging(account: Account) -> list[Text]:
    """A line for each topic that the profile does not describe."""
    return [
        Text.assemble(
            ("new topic ", "cyan"), f"{topic['size']} reviews: {' '.join(topic['words'])}",
            no_wrap=True, overflow="ellipsis",
        )
        for topic in account.emerging()[:SHOWN]
    ]  # fmt: skip


def _dead(account: Account) -> Table:
    table = Table.grid(padding=(0, 1))
    for place, reason in list(account.dead.items())[-SHOWN:]:
        table.add_row(f"[red]{place.topic}/{place.partition}/{place.offset}[/]", escape(reason))
    return table
