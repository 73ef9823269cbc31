"""The table of topics and the agents' descriptions agree; what a worker does, replay does too."""

import inspect

import pytest

from stream_app.agents.description import Agent, one_thread
from stream_app.agents.registry import AGENTS, SUBSCRIPTIONS
from stream_app.agents.worker import create_worker
from stream_app.messages.topics import (
    AGENT_NAMES,
    BROADCASTS,
    BY_NAME,
    CONSUMED,
    INPUTS,
    TABLES,
    TOPICS,
    names,
    written_by,
)
from stream_app.replay import Replay


def test_every_agent_of_the_table_is_described_once() -> None:
    assert sorted(agent.name for agent in AGENTS) == sorted(AGENT_NAMES)


def test_every_broadcast_is_subscribed_to_once() -> None:
    assert sorted(each.topic for each in SUBSCRIPTIONS) == sorted(BROADCASTS)


def test_worker_and_replay_are_wired_from_the_same_descriptions() -> None:
    for wired in (create_worker, Replay):
        parameters = inspect.signature(wired).parameters
        assert parameters["agents"].default is AGENTS
        assert parameters["subscriptions"].default is SUBSCRIPTIONS


def test_agents_come_after_those_that_feed_them() -> None:
    fed = {*INPUTS}
    for agent in AGENTS:
        # What an agent sends to itself would go round for ever.
        assert {*agent.topics} <= fed, f"{agent.name} takes what is sent only later"
        fed |= {*names(written_by(agent.name))}


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_an_agent_with_a_table_has_one_thread_and_can_be_compared(agent: Agent) -> None:
    if agent.table is not None:
        assert agent.readable is not None and agent.threads is one_thread


def test_every_topic_is_written_and_read() -> None:
    for topic in TOPICS:
        assert topic.writers and topic.readers, topic.name
        assert len({*topic.writers}) == len(topic.writers), topic.name


def test_what_is_read_whole_is_compacted_and_no_consumer_group_s() -> None:
    for topic in TOPICS:
        assert not topic.broadcast or topic.compacted, topic.name
    assert not {*BROADCASTS} & {*CONSUMED}


def test_a_compacted_output_has_one_writing_agent() -> None:
    for topic in TOPICS:
        if topic.compacted:
            assert len(topic.writers) == 1, topic.name


def test_a_table_belongs_to_one_agent_and_is_keyed_as_what_it_takes() -> None:
    assert len({table.name for table in TABLES}) == len(TABLES)
    for table in TABLES:
        (agent,) = (each for each in AGENTS if each.name == table.agent)
        for topic in agent.topics:
            assert BY_NAME[topic].key == table.key, topic


def test_a_latency_is_of_an_input_and_an_output() -> None:
    for topic in TOPICS:
        if topic.latency is not None:
            begin, end = topic.latency
            assert topic.name in CONSUMED and begin in INPUTS and end in BY_NAME


def test_a_key_field_is_a_field_of_the_record() -> None:
    for topic in TOPICS:
        if topic.key_field is not None:
            assert topic.record is not None
            assert topic.key_field in topic.record.__struct_fields__
