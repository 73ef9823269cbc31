"""What a group has committed, or an error; never silence.

A coordinator that is none any more, or that is still loading, answers the question for offsets
with an error for the whole answer and without partitions (OffsetFetch from version 2 on, KIP-88).
aiokafka 0.14.0 overlooks that error and takes the answer for a group that has committed nothing,
so while a broker goes down or comes back partitions are read from their beginning again. The same
fault in another client: https://github.com/Parsely/pykafka/issues/958
"""

from typing import Any

from aiokafka import errors
from aiokafka.consumer import consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.commit import OffsetFetchRequest

from stream_app.delivery.upstream.names import require


class _Coordinator(GroupCoordinator):  # type: ignore[misc]
    async def _send_req(self, request: Any) -> Any:
        response = await super()._send_req(request)
        if isinstance(request, OffsetFetchRequest):
            # Version 1 tells errors by partition, which aiokafka knows.
            error = errors.for_code(getattr(response, "error_code", 0))
            if error is errors.NotCoordinatorForGroupError:
                self.coordinator_dead()
            if error is not errors.NoError:
                raise error
        return response


def install() -> None:
    """Let every consumer of this process ask so; it asks again where the error will pass.
    Raises UpstreamError."""
    require("committed")
    consumer.GroupCoordinator = _Coordinator
