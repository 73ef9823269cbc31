"""Items in the order of their offsets: what was removed stays removed, whatever comes again."""

import json
from collections.abc import Sequence

import pytest

from stream_app.messages.identity import partition
from stream_app.messages.message import REFRESH, Message, Record
from stream_app.pipeline import Pipeline
from stream_app.processors.catalogue import APPLIED
from stream_app.settings import Settings

SETTINGS = Settings()
PARTITIONS = SETTINGS.partitions


class Table:
    """The agent's state as a worker keeps it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.values: dict[tuple[int, bytes], bytes] = {}

    def run(self, *messages: Message, state: bool = True) -> list[Record]:
        """What a batch sends; `state=False`: the worker is killed before it writes any."""
        result = self._pipeline.items(messages, lambda number, key: self.values.get((number, key)))
        for number, key, value in result.states if state else []:
            if value is None:
                self.values.pop((number, key), None)
            else:
                self.values[number, key] = value
        return result.records


@pytest.fixture
def table(pipeline: Pipeline) -> Table:
    return Table(pipeline)


def item(offset: int, title: str | None, name: str = "p1") -> Message:
    """An item with a title, or its removal."""
    key = name.encode()
    value = None if title is None else json.dumps({"item_id": name, "title": title}).encode()
    return Message("items", partition(key, PARTITIONS), offset, key, value, (), 1795510000.0)


def titles(records: Sequence[Record]) -> list[str | None]:
    """The title that each record gives its item; None: removed."""
    return [json.loads(r.value)["item"]["title"] if r.value else None for r in records]


def test_a_batch_keeps_the_order_of_puts_and_removals(table: Table) -> None:
    assert titles(table.run(item(0, "Tent"), item(1, None))) == ["Tent", None]
    assert titles(table.run(item(2, None), item(3, "Tent"))) == [None, "Tent"]


def test_a_removal_that_was_applied_stays_when_all_comes_again(table: Table) -> None:
    batch = item(0, "Tent"), item(1, None)
    table.run(*batch)
    # One message a batch: nothing behind the put hides what it would bring back.
    assert [titles(table.run(message)) for message in batch] == [[None], [None]]


def test_a_put_that_comes_again_sends_the_newest(table: Table) -> None:
    table.run(item(0, "Tent"), item(1, "Large tent"))
    assert titles(table.run(item(0, "Tent"))) == ["Large tent"]


def test_what_was_sent_without_its_state_is_applied_when_it_comes_again(table: Table) -> None:
    table.run(item(0, "Tent"))
    table.run(item(1, None), state=False)
    assert titles(table.run(item(1, None))) == [None]
    assert not [key for _, key in table.values if key != APPLIED]


def test_removed_items_leave_nothing_behind(table: Table) -> None:
    for offset in range(0, 100, 2):
        table.run(item(offset, "Tent"), item(offset + 1, None))
    assert {key for _, key in table.values} == {APPLIED}


@pytest.mark.parametrize("known", [True, False])
def test_a_key_that_was_overwritten_is_sent_and_kept_again(table: Table, known: bool) -> None:
    put = item(0, "Tent" if known else None)
    table.run(put)
    before = dict(table.values)
    again = Message(REFRESH, put.partition, -1, put.key, None, (), 0.0)
    assert titles(table.run(again)) == ["Tent" if known else None]
    assert table.values == before


def test_the_offset_that_was_overwritten_is_kept_again_and_sends_nothing(table: Table) -> None:
    put = item(7, "Tent")
    table.run(put)
    before = dict(table.values)
    result = table.run(Message(REFRESH, put.partition, -1, APPLIED, None, (), 0.0))
    assert result == [] and table.values == before


def test_an_item_in_a_foreign_partition_is_a_dead_letter(table: Table) -> None:
    sent = item(0, "Tent")
    wrong = sent._replace(partition=(sent.partition + 1) % PARTITIONS)
    (letter,) = table.run(wrong)
    assert letter.topic == "dead-letters"
    assert any(b"murmur2" in (value or b"") for _, value in letter.headers)


@pytest.mark.parametrize("name", ["x" * 129, "x" * 1_100_000, "  "])
def test_a_removal_whose_key_no_item_has_is_a_dead_letter(table: Table, name: str) -> None:
    # Into the table it would not fit: its changelog takes no record of megabytes.
    (letter,) = table.run(item(0, None, name))
    assert letter.topic == "dead-letters"
    assert {key for _, key in table.values} <= {APPLIED}
