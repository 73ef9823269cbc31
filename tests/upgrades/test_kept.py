"""What earlier versions wrote is read by this one, and gone on from as if it had been its own."""

import base64
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream_app import profiles, schemas
from stream_app.agents import interests, watch
from stream_app.inference.batching import Inference
from stream_app.interests import record
from stream_app.messages.message import Record
from stream_app.messages.topics import AGENT_NAMES, BY_NAME, written_by
from stream_app.pipeline import Pipeline, assemble
from stream_app.replay import Replay
from stream_app.schemas import Recommendations, Signals
from stream_app.settings import load
from stream_app.subjects import record as subject
from tests.upgrades.kept import FILES, PARTITIONS, YOUNGER, Kept, close, read, restarted

SETTINGS = load(environ={}, partitions=PARTITIONS)
Make = Callable[[], Pipeline]


@pytest.fixture(scope="module")
def make(inference: Inference) -> Make:
    """Makes pipelines that share the model; without a head for the topics, which takes longer
    than all the rest and has no say here."""
    profile = msgspec.structs.replace(profiles.load("shop"), examples=[])
    return lambda: assemble(SETTINGS, profile, inference)


@pytest.fixture(params=FILES, ids=lambda path: path.name.partition(".")[0])
def kept(request: pytest.FixtureRequest) -> Kept:
    return read(request.param)


def test_the_fixtures_hold_the_versions_that_are_read() -> None:
    """A new version of a record needs a fixture of the one before."""
    versions = [read(path).versions for path in FILES]
    assert {found["interests"] for found in versions} == {1, record.VERSION} == {1, 2}
    assert {found["subjects"] for found in versions} == {2, subject.VERSION} == {2, 3}


def test_every_message_is_read(kept: Kept) -> None:
    messages = [*kept.outputs[False], *kept.outputs[True]]
    assert {one.topic for one in messages} == {
        topic.name for topic in written_by(*AGENT_NAMES, "promoter") if topic.name not in YOUNGER
    }
    for one in messages:
        kind = BY_NAME[one.topic].record
        if kind is None:
            assert dict(one.headers)["__connect.errors.exception.message"]
        elif one.value is not None or not BY_NAME[one.topic].compacted:
            schemas.decode(one.value, kind)
    kinds = {schemas.decode(o.value, schemas.Alert).kind for o in messages if o.topic == "alerts"}
    assert kinds == {"severe", "surge_begun", "surge_over"}


def events(kept: Kept, later: bool) -> list[Record]:
    """What the kept version folded into the users' records."""
    analyses = [one for one in kept.outputs[later] if one.topic == "analyses"]
    return [*analyses, *(one for one in kept.inputs[later] if one.topic == "behaviours")]


def fold(run: Replay, kept: Kept, later: bool) -> dict[str, list[str]]:
    """Fold the kept analyses, behaviours and signals in, without the model, whose results depend
    on the processor; who is recommended what."""
    folded = run.process(interests.AGENT, [run._receive(one) for one in events(kept, later)])
    signals = [
        run._receive(one)
        for one in (*filter(of_reviews, kept.outputs[later]), *folded.records)
        if one.topic == "signals"
    ]
    trends = run.process(watch.AGENT, signals)
    list(run._send(trends.records))
    ranked = [
        schemas.decode(one.value, Recommendations)
        for one in folded.records
        if one.topic == "recommendations"
    ]
    return {one.user_id: [item.item_id for item in one.items] for one in ranked}


def of_reviews(one: Record) -> bool:
    """Whether it is a signal that `analyse` sent: the others are made anew."""
    return one.topic == "signals" and schemas.decode(one.value, Signals).source[:7] == "reviews"


def test_going_on_from_kept_state_is_like_having_run_from_the_beginning(
    kept: Kept, make: Make
) -> None:
    scratch = Replay(make(), PARTITIONS)
    for one in kept.outputs[False]:
        if one.topic == "item-vectors":
            list(scratch._send([one]))
    fold(scratch, kept, later=False)
    before = states(scratch, kept)
    upgraded = restarted(make(), kept)
    assert states(upgraded, kept) == close(before)
    for one in events(kept, later=False):
        upgraded._receive(one)  # the topics go on where they stood
    expected, found = (fold(run, kept, later=True) for run in (scratch, upgraded))
    after = states(scratch, kept)
    assert states(upgraded, kept) == close(after)
    assert before != after
    assert found.keys() == expected.keys() and all(found.values())
    if kept.versions["subjects"] == 2:
        whole = scratch.records("subjects")
        for name, counted in upgraded.records("subjects").items():
            assert 0 <= counted["opinions"] <= whole[name]["opinions"] + 1e-5
    if kept.versions == {"interests": record.VERSION, "subjects": subject.VERSION}:
        assert found == expected


def states(run: Replay, kept: Kept) -> dict[str, Any]:
    """Both tables, without what the kept versions did not know of the events before."""
    users, subjects = run.records("interests"), run.records("subjects")
    # Since 0.2 an event's id is its user's own: what was kept before has the hashes of then.
    for user in users.values():
        user["reviews"] = [time for time, _ in user["reviews"]]
        for event in user["events"]:
            del event["id"]
    for one in subjects.values():
        one["ids"] = len(one["ids"])
    if kept.versions["interests"] == 1:
        # Among events of one second, which came first: here no two are of one second.
        for user in users.values():
            for event in user["events"]:
                del event["order"]
    if kept.versions["subjects"] == 2:
        # How a subject is spoken of: counted from the upgrade on.
        for one in subjects.values():
            del one["opinions"], one["opinion"]
    return {"interests": users, "subjects": subjects}


def test_reviews_go_on_from_kept_state(kept: Kept, make: Make) -> None:
    """The same with this version's model: the first part comes again and changes nothing."""
    run = restarted(make(), kept)

    def applied() -> Any:
        # Not the topics': which topics a text is about depends on the model.
        subjects = run.records("subjects")
        items = {name: one for name, one in subjects.items() if name.startswith("item:")}
        return run.records("interests"), items

    before = applied()
    list(run.run(kept.inputs[False]))
    assert applied() == before
    outputs = list(run.run(kept.inputs[True]))
    lists = [
        schemas.decode(one.value, Recommendations)
        for one in outputs
        if one.topic == "recommendations"
    ]
    assert len(lists) == 6 and all(one.items and one.items[0].reasons for one in lists)
    over = [json.loads(one.value or b"")["id"] for one in outputs if one.topic == "alerts"]
    assert any(alert.startswith("surge:item:p2:") and alert.endswith(":over") for alert in over)


def test_a_fixture_that_is_not_read_any_more_says_so(tmp_path: Path) -> None:
    with lzma.open(FILES[0], "rt", encoding="ascii") as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        if line["kept"] == "state" and line["table"] == "subjects":
            fields = msgspec.msgpack.decode(base64.b64decode(line["value"]), strict=False)
            value = msgspec.msgpack.encode([9, *fields[1:]])
            line["value"] = base64.b64encode(value).decode()
    with lzma.open(tmp_path / "old.jsonl.xz", "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    with pytest.raises(pytest.fail.Exception) as failed:
        read(tmp_path / "old.jsonl.xz")
    (line,) = str(failed.value).splitlines()
    assert "old.jsonl.xz, kept at" in line
    assert "the subjects table holds a record of version 9, this worker reads 2 and 3" in line
