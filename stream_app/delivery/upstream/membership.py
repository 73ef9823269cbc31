"""A member that keeps its place: static membership (KIP-345), and what aiokafka lacks of it.

A worker with a name of its own does not leave the group when it stops. Comes it back under that
name before its session ends, the broker gives it the partitions that it had, and no other worker
hears of it. Faust hands the name on and aiokafka 0.14.0 joins with it. But its heartbeats do not
carry it, so that a member whose place another has taken is told only that nobody knows it. It then
takes the place back, and so on in turns. Here it asks once more by name, and ends.

Cooperative rebalancing (KIP-429) neither aiokafka 0.14.0 nor Faust's assignor can: no assignor of
theirs tells which partitions a member owns, and all of a member's are revoked whenever it rejoins.
"""

from typing import Any

from aiokafka import errors
from aiokafka.consumer import consumer
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from stream_app.delivery.ending import exit_now
from stream_app.delivery.upstream.names import require

FENCED = 82
"""Kafka's FENCED_INSTANCE_ID, which aiokafka does not name."""


class NameTaken(errors.KafkaError):  # type: ignore[misc]
    """Another worker has joined under this one's name."""


def install() -> None:
    """Let every consumer of this process that has a name end when another takes it. Raises
    UpstreamError."""
    require("membership")
    base: Any = consumer.GroupCoordinator
    if issubclass(base, _Named):
        return

    class Coordinator(_Named, base):  # type: ignore[misc]
        """With what was installed before."""

    consumer.GroupCoordinator = Coordinator


class _Named:
    """Goes before a coordinator."""

    group_id: str
    generation: int
    member_id: str
    _group_instance_id: str | None

    async def _send_req(self, request: Any) -> Any:
        response = await super()._send_req(request)  # type: ignore[misc]
        named = self._group_instance_id is not None and isinstance(request, HeartbeatRequest)
        if named and errors.for_code(response.error_code) is errors.UnknownMemberIdError:
            await self._require_name()
        return response

    async def _require_name(self) -> None:
        """Nobody knows this member: its session has ended, or its name is another's. A SyncGroup
        carries the name and is refused in either case, with the reason."""
        name = self._group_instance_id
        request = SyncGroupRequest(self.group_id, self.generation, self.member_id, name, [])
        asked = await super()._send_req(request)  # type: ignore[misc]
        if asked.error_code == FENCED:
            exit_now("membership", NameTaken(f"another worker has joined as instance {name}"))
