"""A message as a line in a terminal."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.markup import escape

COLOURS = {"negative": "red", "neutral": "yellow", "positive": "green"}


def render(topic: str, key: bytes | None, value: bytes | None, headers: dict[str, str]) -> str:
    """One message as a line of rich markup."""
    if topic == "dead-letters":
        get = "__connect.errors.{}".format
        place = "/".join(headers.get(get(f), "?") for f in ("topic", "partition", "offset"))
        return f"[red]{place}[/] {escape(headers.get(get('exception.message'), '?'))}"
    if value is None:
        return f"[dim]{escape((key or b'').decode('utf-8', 'replace'))} deleted[/]"
    record: dict[str, Any] = msgspec.json.decode(value)
    match topic:
        case "analyses":
            colour = COLOURS[record["sentiment"]]
            about = " ".join(t["id"] for t in record["topics"])
            body = (
                f"[{colour}]{record['sentiment']:<8} {record['intensity']:+.2f}[/] "
                f"[cyan]{about}[/] {escape(record['text'])}"
            )
        case "alerts":
            texts = record["evidence"].get("texts", [])
            body = (
                f"[bold red]{record['kind']}[/] {escape(record['subject'])} "
                f"{escape(record['reason'])} {escape(' '.join(texts))}"
            )
        case "recommendations":
            lines = [f"[bold]{escape(record['user_id'])}[/]"]
            for item in record["items"][:5]:
                why = "; ".join(reason["en"] for reason in item["reasons"])
                lines.append(f"  {item['score']:.3f} {escape(item['title'])} [dim]{escape(why)}[/]")
            return "\n".join(lines)
        case "trends":
            surge = " [red]surge[/]" if record.get("surge") else ""
            popularity = f"popularity {record['popularity']:.1f}"
            body = (
                f"{escape(record['subject']):<24} {record['reviews']} reviews, "
                f"{record['negative_share']:.0%} negative, {popularity}{surge}"
            )
            for found in record.get("emerging", []):
                body += f"\n  [cyan]{escape(' '.join(found['words']))}[/] {found['size']} reviews"
        case _:
            body = escape(value.decode("utf-8", "replace")[:500])
    when = record.get("time")
    stamp = datetime.fromtimestamp(when, UTC).strftime("%m-%d %H:%M") if when else ""
    return f"[dim]{stamp}[/] {body}"
