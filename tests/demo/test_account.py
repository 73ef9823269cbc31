"""Accounting by the output topics alone."""

import json

from rich.console import Console

from stream_app.demo.account import Account, Place
from stream_app.demo.view import draw


def dead(place: Place) -> dict[str, bytes]:
    told = {"topic": place.topic, "partition": str(place.partition), "offset": str(place.offset)}
    return {
        f"__connect.errors.{name}": text.encode()
        for name, text in (told | {"exception.message": "why"}).items()
    }


def test_each_kind_of_input_is_closed_by_its_own_output() -> None:
    account = Account()
    review, behaviour = Place("reviews", 1, 5), Place("behaviours", 2, 7)
    item, broken = Place("items", 0, 0), Place("reviews", 3, 9)
    account.sent = {review: "r", behaviour: "u", item: "i", broken: "x"}
    assert len(account.open()) == 4
    source = {"topic": "reviews", "partition": 1, "offset": 5}
    account.apply("analyses", b"u", json.dumps({"id": "r", "source": source}).encode(), {})
    assert account.open() == [behaviour, item, broken]
    ranked = {"user_id": "u", "applied": {"behaviours/2": 6}}
    account.apply("recommendations", b"u", json.dumps(ranked).encode(), {})
    assert behaviour in account.open()
    ranked["applied"] = {"behaviours/2": 7}
    account.apply("recommendations", b"u", json.dumps(ranked).encode(), {})
    account.apply("item-vectors", b"i", b"{}", {})
    assert account.open() == [broken]
    account.apply("dead-letters", b"x", b"", dead(broken))
    assert account.open() == []
    figures = account.summary(1.0)
    assert (figures["analyses"], figures["dead_letters"], figures["recommendations"]) == (1, 1, 2)


def test_an_alert_sent_twice_counts_once() -> None:
    account = Account()
    alert = {"id": "surge:item:x:1", "kind": "surge_begun", "subject": "item:x"}
    for _ in range(2):
        account.apply("alerts", b"item:x", json.dumps(alert).encode(), {})
    assert account.summary(1.0)["surges"] == ["item:x"]


def test_emerging_topics_are_counted_and_shown() -> None:
    account = Account()
    assert account.summary(1.0)["emerging"] == 0
    figures = dict(subject="emerging", reviews=50, negative_share=0.9, popularity=0.0, history=[])
    found = [{"words": ["积分", "points"], "size": 50}]
    for value in (figures, figures | {"emerging": found}):
        account.apply("trends", b"emerging", json.dumps(value).encode(), {})
    assert account.summary(1.0)["emerging"] == 1
    console = Console(width=160, record=True)
    console.print(draw(account, None, None, 1.0))
    assert "new topic 50 reviews: 积分 points" in console.export_text()
