"""A worker that does not fit its group refuses to start; of claims the first holds."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from stream_app.agents import contract as agents
from stream_app.broker import Broker
from stream_app.broker.kafka import KafkaCluster
from stream_app.commands.main import main
from stream_app.delivery import administration, contract
from stream_app.delivery.contract import ContractError, agree, read
from stream_app.delivery.ownership import token
from stream_app.delivery.sending import send_all
from stream_app.messages import topics
from stream_app.messages.dead_letter import error_headers
from stream_app.messages.identity import partition
from stream_app.messages.message import Record
from stream_app.schemas import Contract, encode
from stream_app.settings import Settings, environment
from tests.kafka.workers import WorkerProcess, drained, read_all, settings_for, until


def other(mine: Contract) -> Contract:
    return msgspec.structs.replace(mine, dimensions=128)


async def prepared(kafka: Broker, name: str) -> tuple[Settings, Contract]:
    settings = settings_for(kafka, name)
    await administration.create(settings)
    return settings, agents.own(settings)


async def holding(settings: Settings) -> Contract:
    return (await read(settings))[0].contract


async def refused(worker: WorkerProcess) -> str:
    """The one line with which a worker refuses."""
    worker.start()
    try:

        async def ended() -> bool:
            return not worker.alive()

        await until(ended, 120, f"{worker.said()}: the worker ends by itself")
    finally:
        worker.kill()
    assert worker.code() == 1, worker.said()
    assert "Traceback" not in worker.said()
    return worker.said().splitlines()[-1]


@pytest.mark.timeout(600)
async def test_workers_that_do_not_fit_refuse_and_change_nothing(
    kafka: KafkaCluster, tmp_path: Path, variant: Callable[..., Path]
) -> None:
    settings, mine = await prepared(kafka, "contract")
    finance = msgspec.structs.replace(settings, profile="finance")
    narrow = msgspec.structs.replace(settings, bundle=str(variant("narrow", dimensions=128)))
    worker = WorkerProcess(settings, tmp_path, "one")
    worker.start()
    try:
        view = {"user_id": "u1", "item_id": "p1", "kind": "view", "time": time.time()}
        await send_all(
            settings, [Record("behaviours", b"u1", json.dumps(view).encode())], lambda _: None
        )
        await drained(settings, [worker], 180)
        assert await holding(settings) == mine
        assert await administration.members(settings) == 1
        said = await refused(WorkerProcess(narrow, tmp_path, "narrow"))
        assert "does not fit the group contract, which has embeddings of 384 dimensions" in said
        assert "here 128" in said
        said = await refused(WorkerProcess(finance, tmp_path, "finance"))
        assert "masks of the profile shop (" in said and "here of finance (" in said
        assert worker.alive() and await administration.members(settings) == 1
        assert [claim.contract for claim in await read(settings)] == [mine]
        # On purpose, and not while workers run.
        done = await asyncio.to_thread(command, finance, "contract", "replace")
        assert done.exit_code == 1 and "has 1 members" in done.output
        done = await asyncio.to_thread(command, finance, "contract", "show", "--json")
        assert done.exit_code == 1
        assert len(json.loads(done.output)["differences"]) >= 2
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    done = await asyncio.to_thread(command, finance, "contract", "replace")
    assert done.exit_code == 0, done.output
    assert await holding(settings) == agents.own(finance)
    assert "does not fit" in await refused(WorkerProcess(settings, tmp_path, "one"))


def command(settings: Settings, *words: str) -> Result:
    return CliRunner().invoke(main, list(words), env=environment(settings))


async def test_workers_that_start_at_the_same_moment_find_one_contract(
    kafka: KafkaCluster,
) -> None:
    settings, mine = await prepared(kafka, "moment")
    starts = [agree(settings, other(mine) if number % 2 else mine) for number in range(6)]
    ended = await asyncio.gather(*starts, return_exceptions=True)
    for error in ended:
        assert error is None or isinstance(error, ContractError), error
    group = await holding(settings)
    fitting = [group == (other(mine) if number % 2 else mine) for number in range(6)]
    assert [error is None for error in ended] == fitting


async def test_a_claim_that_comes_late_changes_nothing(kafka: KafkaCluster) -> None:
    """Its worker stood still, or died, between reading and writing."""
    settings, mine = await prepared(kafka, "late")
    await agree(settings, mine)
    await contract._write(settings, other(mine), [])
    await agree(settings, mine)
    with pytest.raises(ContractError, match="384 dimensions, here 128"):
        await agree(settings, other(mine))
    await contract.replace(settings, other(mine))
    assert [claim.contract for claim in await read(settings)] == [other(mine)]
    with pytest.raises(ContractError, match="128 dimensions, here 384"):
        await agree(settings, mine)


async def test_a_later_version_raises_the_contract_and_an_earlier_one_refuses_then(
    kafka: KafkaCluster,
) -> None:
    settings, mine = await prepared(kafka, "raised")
    later = msgspec.structs.replace(mine, versions=mine.versions | {"interests": 99})
    await agree(settings, mine)
    await agree(settings, later)
    await agree(settings, later)
    assert [claim.contract for claim in await read(settings)] == [later]
    with pytest.raises(ContractError, match="interests records of version 99, here up to 2"):
        await agree(settings, mine)


async def test_what_is_no_contract_and_other_groups_are_passed_over(kafka: KafkaCluster) -> None:
    settings, mine = await prepared(kafka, "odd")
    name = topics.full_name(settings, "group")
    beside = msgspec.structs.replace(other(mine), app="another")
    async with AIOKafkaProducer(bootstrap_servers=settings.broker) as producer:
        for number, value in enumerate([b"{}", b"\xff", b"null", encode(beside)]):
            await producer.send_and_wait(name, value, b"%d" % number, partition=0)
    await agree(settings, mine)
    assert [claim.contract for claim in await read(settings)] == [mine]


@pytest.mark.timeout(600)
async def test_records_that_cannot_be_used_end_no_worker(
    any_broker: Broker, tmp_path: Path
) -> None:
    """As one of another kind left them, or another program: at this start, and at the next."""
    settings, _ = await prepared(any_broker, "leftover")
    places = {"interests": b"u1", "subjects": b"item:p1", "catalogue": b"p1"}
    async with AIOKafkaProducer(bootstrap_servers=settings.broker) as producer:
        for name, key in places.items():
            number = partition(key, settings.partitions)
            changelog = topics.changelog(settings, name)
            for one in (key, b"\xff\xfe", b""):
                headers = [("token", b"not a number")]
                await producer.send_and_wait(
                    changelog, b"not ours", one, partition=number, headers=headers
                )
    worker = WorkerProcess(settings, tmp_path, "one")
    try:
        for start in range(2):
            worker.start()
            view = {"user_id": "u1", "item_id": "p1", "kind": "view", "time": time.time()}
            item = {"item_id": "p1", "title": f"Tent {start}"}
            await send_all(
                settings,
                [
                    Record("items", b"p1", json.dumps(item).encode()),
                    Record("behaviours", b"u1", json.dumps(view).encode()),
                ],
                lambda _: None,
            )
            await drained(settings, [worker], 180)
            assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()
    letters = await read_all(settings, topics.full_name(settings, "dead-letters"))
    origins = sorted(error_headers(letter.headers)["topic"] for letter in letters)
    # The item itself came anew; where its partition's offset should be stood something else.
    assert origins == [f"leftover-{name}-changelog" for name in sorted(places)]
    assert {letter.value for letter in letters} == {b"not ours"}
    # Each key has a record of ours again; keys that are no text stay, and nobody asks for them.
    for name, key in places.items():
        found = await read_all(settings, topics.changelog(settings, name))
        last = [record for record in found if record.key == key][-1]
        assert last.value != b"not ours" and token(last.headers) > 0
