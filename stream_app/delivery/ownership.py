"""One writer a table partition, told by its changelog alone.

A worker that was frozen for longer than the session timeout still has a batch to send when it
wakes up, while another has long taken its partitions over. Faust lets it: its stale record would
be the newest of its key. So a worker claims a partition before it works on it: a record with a
token one higher than any in the changelog. Every record that follows carries that token, and
since there is one writer, offsets without a gap. A gap means that somebody else has written: one
with a higher token has taken over, and this worker must end; what one with a lower token wrote
is stale, passed over by recovery, and written again by the owner, outputs included: these are
delivered before the state, so that stale ones never come without a gap behind them.

Apache Kafka fences transactions in the same way (KIP-98); Faust's do not hold (its issues 323 and
517), and the group's own generation starts again at one when a group has been idle for a week.
"""

from collections.abc import Iterable, Mapping

from aiokafka import ConsumerRecord, TopicPartition

from stream_app.delivery.consumer import standalone_consumer
from stream_app.messages.message import Headers
from stream_app.settings import Settings

TOKEN = "token"
"""Header of a changelog record: its writer's token, in decimal."""
CLAIM_KEY = b"\x00owner"
"""Key of a claim; its value is the token."""


class Fenced(RuntimeError):
    """Another worker has taken the partition over."""


def token(headers: Iterable[tuple[str, bytes]]) -> int:
    """The token of a changelog record; 0 for records from before there were any."""
    return next((int(value) for name, value in headers if name == TOKEN), 0)


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
        # Compaction may have removed the last one: the position tells, not what was read.
        while any([await consumer.position(tp) < ends[tp] for tp in behind]):
            for records in (await consumer.getmany(timeout_ms=settings.fetch_wait_ms)).values():
                found.extend(records)
        return found
