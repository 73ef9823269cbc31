"""The contract of a group, on the broker: its first worker writes it, all others agree to it.

Nothing else keeps a worker with another model or profile out. Kafka gives it partitions, and what
it writes there stays when it is gone.

A contract is a claim in the topic `group`: one record, under a key that nobody uses twice. Of all
claims of a group the first holds, by its offset. So two workers that start at the same moment find
the same one, whatever they wrote, and whoever dies between has left either the contract or a claim
without effect. Compaction keeps offsets, and keys that differ. What takes a contract's place is
written with the tombstones of all others in one batch, which the broker stores whole or not at all.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from aiokafka import TopicPartition

from stream_app import schemas
from stream_app.delivery.consumer import standalone_consumer
from stream_app.delivery.outbox import Entry, Outbox
from stream_app.messages.topics import full_name
from stream_app.schemas import Contract, Invalid
from stream_app.settings import Settings
from stream_app.telemetry import metrics

log = logging.getLogger(__name__)

TOPIC = "group"
PLACE = 0
"""All claims are in one partition: offsets of several have no order."""
TURNS = 10
"""Each turn another has changed the contract between reading and writing. So often nobody does."""


class ContractError(RuntimeError):
    """This worker does not fit its group; the message names each difference."""


class Claim(NamedTuple):
    """A contract as it stands in the topic."""

    key: bytes
    contract: Contract


def differences(group: Contract, mine: Contract) -> list[str]:
    """Why a worker does not fit; empty if it does. It may write later records than the group has:
    it reads those of earlier versions."""
    found = [
        f"{part} of the profile {group.profile} ({theirs}), here of {mine.profile} "
        f"({mine.rules.get(part)})"
        for part, theirs in sorted(group.rules.items())
        if part in mine.rules and mine.rules[part] != theirs
    ]
    if group.dimensions != mine.dimensions:
        found.append(f"embeddings of {group.dimensions} dimensions, here {mine.dimensions}")
    if group.labels != mine.labels:
        found.append(f"labels {' '.join(group.labels)}, here {' '.join(mine.labels)}")
    if group.partitions != mine.partitions:
        found.append(f"{group.partitions} partitions, here {mine.partitions}")
    for table, version in sorted(group.versions.items()):
        if version > mine.versions.get(table, 0):
            read = f"up to {mine.versions[table]}" if table in mine.versions else "none"
            found.append(f"{table} records of version {version}, here {read}")
    return found


async def agree(settings: Settings, mine: Contract) -> None:
    """Return when this worker fits its group; the first one writes the contract, and one that
    writes later records raises it. Raises ContractError, KafkaError."""
    if not settings.idempotent:
        return  # the embedded broker misreports offsets; it has one worker
    for _ in range(TURNS):
        claims = await read(settings)
        if not claims:
            await _write(settings, mine, [])
            continue
        group = claims[0].contract
        if wrong := differences(group, mine):
            raise ContractError(
                f"this worker does not fit the group {settings.app}, which has {'; '.join(wrong)}:"
                " give it the group's settings, or see `stream-app contract --help`"
            )
        if (raised := _raised(group, mine)) == group:
            return
        await _write(settings, raised, claims)
    raise ContractError(f"no contract stays in the topic {full_name(settings, TOPIC)}")


async def replace(settings: Settings, mine: Contract) -> None:
    """Let another contract take the place of all there are. Raises ContractError, KafkaError."""
    for _ in range(TURNS):
        claims = await read(settings)
        if [claim.contract for claim in claims] == [mine]:
            return
        await _write(settings, mine, claims)
    raise ContractError(f"no contract stays in the topic {full_name(settings, TOPIC)}")


async def read(settings: Settings) -> list[Claim]:
    """The claims of a group, the one that holds first. Raises KafkaError."""
    place = TopicPartition(full_name(settings, TOPIC), PLACE)
    claims: dict[bytes, Claim] = {}
    async with standalone_consumer(settings) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        # Compaction may have removed the last one: the position tells, not what was read.
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=settings.fetch_wait_ms)).values():
                for record in records:
                    # A key that comes again stands where it came last.
                    claims.pop(record.key, None)
                    if (contract := _contract(settings, record.value)) is not None:
                        claims[record.key] = Claim(record.key, contract)
    return list(claims.values())


def _contract(settings: Settings, value: bytes | None) -> Contract | None:
    """A claim's contract; None for another group's, a tombstone, and what is no contract."""
    if value is None:
        return None
    try:
        contract = schemas.decode(value, Contract)
    except Invalid as reason:
        metrics.UNREADABLE.labels(TOPIC).inc()
        log.error("a record of %s is passed over: %s", full_name(settings, TOPIC), reason)
        return None
    return contract if contract.app == settings.app else None


def _raised(group: Contract, mine: Contract) -> Contract:
    """The contract with the later version of each table's records."""
    versions = {
        table: max(group.versions.get(table, 0), mine.versions.get(table, 0))
        for table in {**group.versions, **mine.versions}
    }
    return Contract(
        group.app, group.profile, group.rules | mine.rules, group.dimensions, group.labels,
        group.partitions, versions,
    )  # fmt: skip


async def _write(settings: Settings, contract: Contract, others: Sequence[Claim]) -> None:
    """A claim, and in the same batch the end of others. Raises KafkaError."""
    topic = full_name(settings, TOPIC)
    key = f"{settings.app}/{uuid4().hex}".encode()
    outbox = Outbox(settings)
    await outbox.start()
    try:
        await outbox.append([
            Entry(topic, PLACE, key, schemas.encode(contract), ()),
            *(Entry(topic, PLACE, other.key, None, ()) for other in others),
        ])  # fmt: skip
    finally:
        await outbox.stop()
