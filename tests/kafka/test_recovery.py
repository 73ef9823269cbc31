"""The way back: everything deleted and imported, and the group goes on as if nothing had been."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from click.testing import CliRunner, Result

from stream_app.broker.kafka import KafkaCluster
from stream_app.commands.main import main
from stream_app.commands.offsets import milliseconds
from stream_app.delivery import administration
from stream_app.delivery.ownership import CLAIM_KEY
from stream_app.delivery.sending import send_all
from stream_app.messages.topics import CONSUMED, TABLES, changelog, full_name, layout
from stream_app.pipeline import build
from stream_app.settings import Settings, environment
from tests.kafka.load import events, items
from tests.kafka.test_rolling import assert_as_replayed
from tests.kafka.verdict import differences, interests_of, subjects_of, without_analyses
from tests.kafka.workers import (
    WorkerProcess,
    drained,
    lag,
    newest,
    read_all,
    settings_for,
    table,
    until,
)

COUNT = 600


async def stream_app(settings: Settings, *words: str) -> Result:
    """A command as a person calls it, with its own event loop."""
    call = partial(CliRunner().invoke, main, words, env=environment(settings))
    return await asyncio.to_thread(call)


async def said(settings: Settings, *words: str) -> Any:
    """What a command that goes well puts out as JSON."""
    done = await stream_app(settings, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


async def delete_everything(settings: Settings) -> None:
    """All topics, tables included. The broker takes a moment to forget them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        await admin.delete_topics(list(layout(settings)))

        async def gone() -> bool:
            return not set(await admin.list_topics()) & layout(settings).keys()

        await until(gone, 30, "topics deleted")
    finally:
        await admin.close()


async def create_anew(settings: Settings) -> None:
    """Make what was deleted. A busy broker takes a moment to know of it."""

    async def there() -> bool:
        await administration.create(settings)
        counts = await administration.partitions(settings)
        return set(counts.values()) == {settings.partitions}

    await until(there, 60, "topics made anew")


async def work(settings: Settings, folder: Path, name: str, count: int) -> WorkerProcess:
    """A worker that has analysed so many reviews."""
    worker = WorkerProcess(settings, folder, name)
    worker.start()

    async def some() -> bool:
        assert worker.alive(), worker.said()
        return len(await read_all(settings, settings.prefix + "analyses")) >= count

    await until(some, 120, f"{count} analysed")
    return worker


async def finish(settings: Settings, folder: Path, name: str) -> None:
    """A worker with a folder of its own takes all that there is."""
    worker = WorkerProcess(settings, folder, name)
    worker.start()
    try:
        await drained(settings, [worker], 200)
        assert worker.terminate() == 0
    finally:
        if worker.alive():
            worker.kill()


async def tables(settings: Settings) -> dict[str, dict[tuple[int, bytes], bytes]]:
    """By partition and key: the catalogue keeps how far it is under one key in each partition."""
    found: dict[str, dict[tuple[int, bytes], bytes]] = {}
    for one in TABLES:
        records = await read_all(settings, changelog(settings, one.name))
        newest = {(r.partition, r.key): r.value for r in records if r.key != CLAIM_KEY}
        found[one.name] = {key: value for key, value in newest.items() if value is not None}
    return found


async def ends(settings: Settings, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    for topic in topics:
        for message in await read_all(settings, full_name(settings, topic)):
            found[topic, message.partition] = message.offset + 1
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_disaster_drill(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A worker killed amid its work; export; every topic deleted; import; the rest of the load by
    a new worker: the tables are those of an uninterrupted run, field by field."""
    settings = settings_for(kafka, "drill")
    file = str(tmp_path / "state.gz")
    await administration.create(settings)
    catalogue, load = list(items()), events(COUNT, until=time.time())
    first, more, rest = (
        load[: COUNT // 2],
        load[COUNT // 2 : COUNT * 3 // 2],
        load[COUNT * 3 // 2 :],
    )
    await send_all(settings, catalogue, lambda _: None)
    await send_all(settings, first, lambda _: None)
    worker = await work(settings, tmp_path, "one", COUNT // 8)
    # While it works a file may be written, and none imported.
    await said(settings, "state", "export", file)
    refused = await stream_app(settings, "state", "import", file)
    assert refused.exit_code == 1 and "stop its workers" in refused.output, refused.output
    # Amid its work: what it has taken is pending, and the tables may have part of it.
    await send_all(settings, more, lambda _: None)
    worker.kill()

    exported = await said(settings, "state", "export", file, "--topics")
    counts = exported["footer"]["counts"]
    assert counts["table:interests"] and counts["table:subjects"]
    assert counts.keys() & {"pending:reviews", "pending:analyses", "pending:behaviours"}
    before = await tables(settings)
    vectors = await newest(settings, settings.prefix + "item-vectors")
    reached = await ends(settings, CONSUMED)

    async def full() -> bool:
        done = await stream_app(settings, "state", "import", file)
        assert done.exit_code == 1
        # The killed worker is a member until its session ends.
        return "stop its workers" not in done.output and "--force" in done.output

    await until(full, 30, "refused for what is there, no more for who is there")
    await delete_everything(settings)
    await create_anew(settings)
    report = await said(settings, "state", "import", file)
    assert report["offsets passed over"] > 0
    assert await tables(settings) == before
    assert await newest(settings, settings.prefix + "item-vectors") == vectors
    now = await ends(settings, CONSUMED)
    assert {part: now[part] for part in reached if part in now and now[part] != reached[part]} == {}

    await send_all(settings, rest, lambda _: None)
    await finish(settings, tmp_path, "two")
    await assert_as_replayed(settings, catalogue, load)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_tables_are_rebuilt_from_the_inputs(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Changelogs lost, inputs kept: replay from the broker, import, go on."""
    settings = settings_for(kafka, "rebuilt")
    file = str(tmp_path / "rebuilt.gz")
    await administration.create(settings)
    catalogue, load = list(items()), events(COUNT // 2, until=time.time())
    first, rest = load[: COUNT // 3], load[COUNT // 3 :]
    await send_all(settings, catalogue, lambda _: None)
    await send_all(settings, first, lambda _: None)
    await finish(settings, tmp_path, "one")
    worked = await tables(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    await admin.delete_topics([changelog(settings, name) for name in worked])
    await admin.close()
    await create_anew(settings)
    assert not any((await tables(settings)).values())
    rebuilt = await said(settings, "state", "rebuild", file)
    counts = rebuilt["footer"]["counts"]
    assert counts == {f"table:{name}": len(found) for name, found in worked.items()}
    report = await said(settings, "state", "import", file)
    # All was committed: the topics are those of the file, and nothing comes again.
    assert report.keys() == {f"{name}: records" for name in worked}
    await send_all(settings, rest, lambda _: None)
    await finish(settings, tmp_path, "two")
    await assert_as_replayed(settings, catalogue, load)


@pytest.mark.timeout(300)
async def test_offsets_go_back_to_a_time_and_change_no_table(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    settings = settings_for(kafka, "offset-reset")
    await administration.create(settings)
    load = events(60, until=time.time())
    await send_all(settings, load[:60], lambda _: None)
    between = datetime.fromtimestamp(time.time(), UTC).isoformat()
    await send_all(settings, load[60:], lambda _: None)
    words = ("offsets", "reset", "--to", between, "--topic", "reviews")
    # Nobody has taken anything yet: what lies before would be lost.
    refused = await stream_app(settings, *words, "--execute")
    assert refused.exit_code == 1 and "--skip" in refused.output
    await finish(settings, tmp_path, "one")
    interests, subjects = await table(settings, "interests"), await table(settings, "subjects")
    stored = [m.timestamp for m in await read_all(settings, settings.prefix + "reviews")]
    again = sum(timestamp >= milliseconds(between) for timestamp in stored)
    assert 0 < again < len(stored)
    told = await said(settings, *words)
    assert not told["executed"] and sum(move["again"] for move in told["moves"]) == again
    assert await lag(settings) == 0
    plain = await stream_app(settings, *words)
    assert "change no table" in plain.output and "--execute" in plain.output
    done = await said(settings, *words, "--execute")
    assert done["executed"] and await lag(settings) == again
    analysed = len(await read_all(settings, settings.prefix + "analyses"))
    await finish(settings, tmp_path, "two")
    assert len(await read_all(settings, settings.prefix + "analyses")) > analysed
    # Records are told apart by their bytes; neighbours are statistics of what came when.
    pipeline = build(settings)
    assert interests_of(await table(settings, "interests")) == interests_of(interests)
    old, new = (
        subjects_of(pipeline, found) for found in (subjects, await table(settings, "subjects"))
    )
    without_analyses(old, new)
    assert differences(new, old) == []


@pytest.mark.timeout(200)
async def test_an_import_refuses_what_does_not_fit(kafka: KafkaCluster, tmp_path: Path) -> None:
    settings = settings_for(kafka, "unfit")
    file = tmp_path / "state.gz"
    await administration.create(settings)
    await send_all(settings, events(40, until=time.time()), lambda _: None)
    await said(settings, "state", "export", str(file))

    async def refused(other: Settings, *words: str) -> str:
        done = await stream_app(other, "state", "import", str(file), *words)
        assert done.exit_code == 1 and not done.output.count("Traceback"), done.output
        return done.output

    replace = msgspec.structs.replace
    assert "8" in await refused(replace(settings, partitions=8))
    assert "the snapshot is of unfit" in await refused(replace(settings, app="other"))
    # Made anew, and producers have begun again: these messages would never be read.
    await delete_everything(settings)
    await create_anew(settings)
    await send_all(settings, events(4, until=time.time()), lambda _: None)
    assert "another topic" in await refused(settings, "--force")
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert "not a whole snapshot" in await refused(settings, "--force")


@pytest.mark.timeout(200)
async def test_an_import_by_force_leaves_what_the_file_has(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    """A key that came after the export is gone after the import, for each worker's disk too."""
    settings = settings_for(kafka, "forced")
    file = str(tmp_path / "state.gz")
    await administration.create(settings)
    load = events(60, until=time.time())
    await send_all(settings, load[:40], lambda _: None)
    await finish(settings, tmp_path, "one")
    await said(settings, "state", "export", file, "--topics")
    before = await tables(settings)
    await send_all(settings, load[40:], lambda _: None)
    await finish(settings, tmp_path, "one")
    assert (await tables(settings))["interests"].keys() > before["interests"].keys()
    report = await said(settings, "state", "import", file, "--force")
    assert report["interests: removed"] > 0
    assert report["reviews: messages that come again"] > 0
    assert await tables(settings) == before
    # The same disk goes on, and what came again is counted.
    await finish(settings, tmp_path, "one")
    await assert_as_replayed(settings, [], load)
