"""Following a topic in the terminal."""

import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.markup import escape

from stream_app.settings import Settings, SettingsError, security
from stream_app.topics import BY_NAME, LARGE, full_name

COLOURS = {"negative": "red", "neutral": "yellow", "positive": "green"}


async def follow(
    settings: Settings, topic: str, as_json: bool, from_beginning: bool, most: int
) -> None:
    """Print messages as they come. Raises SettingsError for an unknown topic, KafkaError."""
    if topic not in BY_NAME:
        raise SettingsError(f"no topic {topic}; there are {', '.join(BY_NAME)}")
    consumer = AIOKafkaConsumer(
        full_name(settings, topic),
        bootstrap_servers=settings.broker,
        auto_offset_reset="earliest" if from_beginning else "latest",
        fetch_max_wait_ms=settings.fetch_wait_ms,
        max_partition_fetch_bytes=LARGE,
        **security(settings),
    )
    console = Console(highlight=False)
    await consumer.start()
    try:
        seen = 0
        async for message in consumer:
            if as_json and topic != "dead-letters":
                sys.stdout.write((message.value or b"null").decode("utf-8", "replace") + "\n")
                sys.stdout.flush()
            else:
                headers = {
                    name: value.decode("utf-8", "replace") for name, value in message.headers
                }
                if as_json:
                    print(msgspec.json.encode(headers).decode(), flush=True)
                else:
                    console.print(render(topic, message.key, message.value, headers))
            seen += 1
            if most and seen >= most:
                return
    finally:
        await consumer.stop()


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
