"""Accounting by the output topics alone."""

import json

from stream_app.demo.account import Account, Place


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
    account.take("analyses", b"u", json.dumps({"id": "r", "source": source}).encode(), {})
    assert account.open() == [behaviour, item, broken]
    ranked = {"user_id": "u", "applied": {"behaviours/2": 6}}
    account.take("recommendations", b"u", json.dumps(ranked).encode(), {})
    assert behaviour in account.open()
    ranked["applied"] = {"behaviours/2": 7}
    account.take("recommendations", b"u", json.dumps(ranked).encode(), {})
    account.take("item-vectors", b"i", b"{}", {})
    assert account.open() == [broken]
    account.take("dead-letters", b"x", b"", dead(broken))
    assert account.open() == []
    figures = account.summary(1.0)
    assert (figures["analyses"], figures["dead_letters"], figures["recommendations"]) == (1, 1, 2)


def test_an_alert_sent_twice_counts_once() -> None:
    account = Account()
    alert = {"id": "surge:item:x:1", "kind": "surge_begun", "subject": "item:x"}
    for _ in range(2):
        account.take("alerts", b"item:x", json.dumps(alert).encode(), {})
    assert account.summary(1.0)["surges"] == ["item:x"]
