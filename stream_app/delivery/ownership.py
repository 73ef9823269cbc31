"""Fencing: each table partition has one writer at a time, which its changelog alone decides.

The fault it prevents: a worker is frozen for longer than the session timeout, another takes its
partitions over, the first wakes up and sends the state that it had computed. Faust lets it, and
that stale record is then the newest of its key.

- Before a worker works on a partition it claims it: it appends a record with a fencing token, one
  higher than any in the changelog. All its records in that changelog carry the token.
- While it is the only writer, its records have consecutive offsets. A gap means that another has
  written, and the records in the gap are read.
- One with a higher token: another worker has claimed the partition. This one is fenced, and ends.
- One with a lower token: a fenced writer has overwritten that key. Recovery skips such records,
  and the owner writes the key's state again and sends its outputs again. Outputs go out before
  the state, so a fenced writer never sends outputs without leaving a gap.

Apache Kafka fences transactions in the same way (KIP-98); Faust's do not hold (its issues 323 and
517), and the group's own generation starts again at one when a group has been idle for a week.
"""

from collections.abc import Iterable, Mapping

from aiokafka import ConsumerRecord, TopicPartition

from stream_app.delivery.consumer import standalone_consumer
from stream_app.messages.message import Headers
from stream_app.settings import Settings

TOKEN = "token"
"""Header of a changelog record: its writer's fencing token, in decimal."""
MAX_DIGITS = 18
"""Of a token."""
CLAIM_KEY = b"\x00owner"
"""Key of the record that claims a partition; its value is the token, in decimal."""


class Fenced(RuntimeError):
    """Another worker has claimed the partition: what this one has not acked is the other's."""


def token(headers: Iterable[tuple[str, bytes]]) -> int:
    """The token of a changelog record; 0 for records from before there were any, and for what is
    none of ours: whoever owns the partition takes precedence."""
    value = next((value for name, value in headers if name == TOKEN), None)
    return int(value) if value and value.isdigit() and len(value) <= MAX_DIGITS else 0


def token_headers(token: int) -> Headers:
    """Headers of a changelog record by the writer with this token."""
    return ((TOKEN, str(token).encode()),)


async def records_since(
    settings: Settings, first: Mapping[TopicPartition, int]
) -> list[ConsumerRecord]:
    """The records of partitions from an offset to where each ends now. Raises KafkaError."""
    async with standalone_consumer(settings) as consumer:
        ends = await consumer.end_offsets(list(first))
        behind = {tp for tp, offset in first.items() if offset < ends[tp]}
        found: list[ConsumerRecord] = []
        if not behind:
            return found
        consumer.assign(list(behind))
        for tp, begin in (await consumer.beginning_offsets(list(behind))).items():
            consumer.seek(tp, max(first[tp], begin))
        # Compaction may have removed the last record: wait for the position, not for a record.
        while any([await consumer.position(tp) < ends[tp] for tp in behind]):
            for records in (await consumer.getmany(timeout_ms=settings.fetch_wait_ms)).values():
                found.extend(records)
        return found
