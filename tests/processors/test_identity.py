"""An id is its writer's own, of each kind of event."""

import json
from collections.abc import Iterator

import pytest

from stream_app.messages.message import Record
from stream_app.pipeline import Pipeline
from stream_app.replay import Replay

ANGRY = "It broke after a day and nobody answers, a terrible waste of money!"
NOW = 1795510000.0


def review(user: str, name: str, item: str = "p1") -> Record:
    value = {"review_id": name, "user_id": user, "item_id": item, "text": ANGRY, "time": NOW}
    return Record("reviews", name.encode(), json.dumps(value).encode())


def purchase(user: str, name: str, item: str = "p1") -> Record:
    value = {"event_id": name, "user_id": user, "item_id": item, "kind": "purchase", "time": NOW}
    return Record("behaviours", user.encode(), json.dumps(value).encode())


@pytest.fixture
def run(pipeline: Pipeline) -> Iterator[Replay]:
    yield Replay(pipeline, 4)


def counted(run: Replay, item: str = "p1") -> int:
    windows = run.records("subjects")[f"item:{item}"]["windows"]
    return sum(window["reviews"] for window in windows.values())


def test_an_order_number_may_be_a_purchase_s_and_a_review_s(run: Replay) -> None:
    orders = [(f"u{n}", f"order-{n}") for n in range(12)]
    list(run.run([purchase(*order) for order in orders]))
    list(run.run([review(*order) for order in orders]))
    assert counted(run) == 12
    kinds = [event["kind"] for event in run.records("interests")["u3"]["events"]]
    assert sorted(kinds) == ["purchase", "review"]


def test_nobody_uses_up_the_ids_of_others(run: Replay) -> None:
    list(run.run([review("mallory", f"r{n}", "p9") for n in range(3)]))
    list(run.run([review("alice", f"r{n}") for n in range(3)]))
    assert counted(run) == 3


def test_a_review_that_comes_again_counts_once(run: Replay) -> None:
    list(run.run([review("alice", "r1"), review("alice", "r1")]))
    assert counted(run) == 1


def test_severe_alerts_of_two_users_or_two_items_are_two(run: Replay) -> None:
    events = [review("alice", "r1"), review("bob", "r1"), review("alice", "r1", "p2")]
    alerts = [json.loads(o.value or b"") for o in run.run(events) if o.topic == "alerts"]
    assert len({alert["id"] for alert in alerts}) == 3
    again = [json.loads(o.value or b"") for o in run.run(events) if o.topic == "alerts"]
    assert {alert["id"] for alert in again} == {alert["id"] for alert in alerts}
