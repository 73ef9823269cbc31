"""Every name of Faust, mode and aiokafka that we use and that they do not promise to keep.

A library that renames one of them does not fail: an override is never called again, an attribute
is set that nobody reads, and messages are lost months later. So the libraries are pinned to one
version each in pyproject.toml, and `require` is called where a patch is installed: it refuses to
go on without a name. Who raises a pin reads here what to look at in the new version.
"""

import dis
from collections.abc import Iterator, Mapping
from importlib import import_module, metadata
from types import FunctionType
from typing import NamedTuple

NONE = "none known"
FAUST, MODE, AIOKAFKA = "faust-streaming", "mode-streaming", "aiokafka"
LIBRARIES = (FAUST, MODE, AIOKAFKA)
"""Names of the distributions, as pyproject.toml pins them."""


class UpstreamError(RuntimeError):
    """An installed library lacks what a patch needs; the message says what and where to look."""


class Name(NamedTuple):
    """One name that we use beyond what a library publishes."""

    library: str
    place: str
    """Module, and after a colon the class where it is not the module's own."""
    name: str
    purpose: str
    """What we do with it."""
    issue: str
    """The library's issue or pull request; where there is one, the name may become needless."""


def _names(library: str, place: str, purposes: Mapping[str, str], issue: str = NONE) -> list[Name]:
    return [Name(library, place, name, purpose, issue) for name, purpose in purposes.items()]


CONSUMER = "faust.transport.drivers.aiokafka:Consumer"
THREAD = "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread"
STORE = "faust.stores.rocksdb:Store"
KAFKA_CONSUMER = "aiokafka.consumer.consumer:AIOKafkaConsumer"
FETCHER = "aiokafka.consumer.fetcher:Fetcher"
RECORDS = "aiokafka.consumer.fetcher:PartitionRecords"
CODECS = "aiokafka.record._crecords.default_records"
COORDINATOR = "aiokafka.consumer.group_coordinator:GroupCoordinator"
OTHER_CLIENT = "none known here; the same fault: https://github.com/Parsely/pykafka/issues/958"

NAMES: dict[str, list[Name]] = {
    "transport": [
        *_names(FAUST, CONSUMER, {
            "_new_consumer_thread": "overridden: the thread that fetches is ours",
            "_thread": "read: seek to the beginning where nothing was committed",
            "_unacked_messages": "batches are added: a rebalance waits for them",
            "_acked": "offsets of acked batches are added: Faust commits them",
            "_acked_index": "the same offsets, so that none is added twice",
            "_gap": "offsets that compaction removed are added: nobody acks them",
            "_waiting_for_ack": "woken when a batch is acked",
            "_committed_offset": "set by our seek, read to leave out what is committed",
            "_read_offset": "set by our seek, and as records go into the inboxes",
            "_is_changelog_tp": "tells changelogs from sources",
            "_getmany": "overridden: a fetch and a seek exclude each other",
            "_wait_next_records": "called by our getmany",
            "_to_message": "makes a changelog's record Faust's message",
            "getmany": "overridden: sources go to the inboxes, past Faust's streams",
            "perform_seek": "overridden: seeks also where nothing was committed",
            "seek_wait": "overridden: a fetch and a seek exclude each other",
            "stop_flow": "overridden: closes the sources",
            "resume_flow": "overridden: opens the sources when tables are restored",
            "on_partitions_revoked": "overridden: closes the sources",
            "on_partitions_assigned": "overridden: closes the sources",
        }),
        *_names(FAUST, THREAD, {
            "_create_worker_consumer": "overridden: sets the bounds of a fetch",
            "_fetch_records": "overridden: paces fetches, gives each partition its turn",
        }),
        *_names(FAUST, "faust.transport.drivers.aiokafka:Transport", {
            "Consumer": "set: the consumer is ours",
        }),
        *_names(AIOKAFKA, KAFKA_CONSUMER, {
            "_fetch_max_wait_ms": "set: how long the broker may hold a fetch",
            "_fetch_max_bytes": "set: bytes of one answer",
            "_fetcher": "its buffer is put in another order",
        }),
        *_names(AIOKAFKA, FETCHER, {
            "_records": "what is fetched and not handed on, in the order of the turns",
        }),
    ],
    "pace": [
        *_names(AIOKAFKA, KAFKA_CONSUMER, {
            "_fetch_max_wait_ms": "read: the wait when little comes",
            "_fetcher": "the next fetch's bounds are set there",
        }),
        *_names(AIOKAFKA, FETCHER, {
            "_fetch_min_bytes": "set: how much the broker gathers before it answers",
            "_fetch_max_wait_ms": "set: for how long it gathers",
        }),
    ],
    "committed": [
        *_names(AIOKAFKA, "aiokafka.consumer.consumer", {
            "GroupCoordinator": "replaced by ours",
        }, OTHER_CLIENT),
        *_names(AIOKAFKA, COORDINATOR, {
            "_send_req": "overridden: an error of the whole answer is raised",
            "coordinator_dead": "called: another coordinator is looked for",
        }, OTHER_CLIENT),
        *_names(AIOKAFKA, "aiokafka.protocol.commit", {
            "OffsetFetchRequest": "tells the requests whose answers are checked",
        }, OTHER_CLIENT),
    ],
    "membership": [
        *_names(AIOKAFKA, "aiokafka.consumer.consumer", {
            "GroupCoordinator": "replaced by ours",
        }),
        *_names(AIOKAFKA, COORDINATOR, {
            "_send_req": "overridden: a member that nobody knows asks by its name",
            "_group_instance_id": "read: the name, if there is one",
            "generation": "read: a part of the question",
            "member_id": "read: a part of the question",
        }),
        *_names(AIOKAFKA, "aiokafka.protocol.group", {
            "HeartbeatRequest": "tells the requests whose answers are looked at",
            "SyncGroupRequest": "is the question: it carries the name and changes nothing",
        }),
    ],
    "unpacking": [
        *_names(AIOKAFKA, "aiokafka.consumer.fetcher", {
            "PartitionRecords": "replaced by ours",
        }),
        *_names(AIOKAFKA, RECORDS, {
            "_records_iterator": "set: goes on behind a batch that cannot be read",
            "_unpack_records": "called: the batches behind it",
            "_tp": "read: the place of a record that cannot be read",
            "next_fetch_offset": "set: where the next fetch begins",
        }),
        *_names(AIOKAFKA, CODECS, {
            "gzip_decode": "replaced: inflates within bounds",
            "snappy_decode": "replaced: inflates within bounds",
            "lz4_decode": "replaced: inflates within bounds",
            "zstd_decode": "replaced: inflates within bounds",
        }),
    ],
    "store": [
        *_names(FAUST, STORE, {
            "_dbs": "read: which partitions are open",
            "_db_for_partition": "called: a partition's RocksDB, opened where it is not yet",
            "_open_for_partition": "overridden: a broken folder is rebuilt",
            "_visible_keys": "overridden: leaves out what we keep beside the table",
            "_visible_items": "overridden: leaves out what we keep beside the table",
            "offset_key": "read and written: where the disk stands in the changelog",
            "partition_path": "called: a partition's folder",
            "rocksdb_options": "read: opens a folder to check it",
            "apply_changelog_batch": "overridden: stale records are passed over",
        }),
    ],
    "tables": [
        *_names(FAUST, "faust.tables:Table", {
            "_new_store": "overridden: the store is ours",
        }),
    ],
    "process": [
        *_names(MODE, "mode.worker:Worker", {
            "_schedule_shutdown": "overridden: begins the deadline of the stop",
        }),
    ],
    "assignment": [
        *_names(FAUST, CONSUMER, {
            "_is_changelog_tp": "tells changelogs from sources",
            "_committed_offset": "read: how far the group has come",
        }),
        *_names(FAUST, "faust.tables.manager:TableManager", {
            "recovery": "its `completed`: tables are restored",
        }),
        *_names(FAUST, "faust.tables.recovery:Recovery", {
            "completed": "set when tables are restored",
        }),
        *_names(FAUST, "faust.app.base:App", {
            "rebalancing": "read: partitions are moving",
        }),
    ],
}  # fmt: skip
"""By the module of this room that uses them."""


def require(patch: str) -> None:
    """Refuse to install a patch one of whose names is gone; raises UpstreamError."""
    for name in NAMES[patch]:
        if not present(name):
            raise UpstreamError(
                f"{name.library} {metadata.version(name.library)} has no {name.place}.{name.name} "
                f"({name.purpose}): install the version that pyproject.toml pins, or look at what "
                f"became of it and at stream_app/delivery/upstream/{patch}.py"
            )


def present(name: Name) -> bool:
    """Whether the installed library has it: as an attribute of the module or class, or as one
    that the class declares or that its methods set on an instance."""
    module, _, owner = name.place.partition(":")
    try:
        found = import_module(module)
        if not owner:
            return hasattr(found, name.name)
        return name.name in _attributes(getattr(found, owner))
    except (ImportError, AttributeError):
        return False


def _attributes(owner: type) -> Iterator[str]:
    """Names that a class and its bases define, declare, or set on `self`."""
    for base in owner.__mro__:
        yield from vars(base)
        yield from vars(base).get("__annotations__", ())
        for value in vars(base).values():
            if isinstance(value, FunctionType):
                code = dis.get_instructions(value)
                yield from (str(step.argval) for step in code if step.opname == "STORE_ATTR")
