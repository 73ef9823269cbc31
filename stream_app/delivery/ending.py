"""How a worker ends that cannot go on: at once, but outputs get their state first."""

import logging
import os
import traceback

from aiokafka.errors import KafkaError

from stream_app.delivery.outbox import Outbox
from stream_app.schemas import Invalid
from stream_app.schemas.state import StateError

log = logging.getLogger(__name__)

EXIT_FAILURE = 70
END_SECONDS = 5.0
"""What others have begun to deliver is waited for so long when one has failed."""
SELF_EXPLAINING = (StateError, Invalid, KafkaError)
"""Errors whose messages say all there is to say, and repeat nothing of a message's content."""


def exit_now(stage: str, error: BaseException) -> None:
    """End the process at once: what is not acked is delivered again to a successor.

    Of an error that nobody expected the log has the kind and the lines of code it came through,
    not what it says: Python's own errors like to quote the value that they failed on.
    """
    if isinstance(error, SELF_EXPLAINING):
        log.critical("%s failed, the worker stops: %s", stage, error)
    else:
        lines = "".join(traceback.format_tb(error.__traceback__))
        log.critical("%s failed, the worker stops: %s\n%s", stage, type(error).__name__, lines)
    logging.shutdown()
    os._exit(EXIT_FAILURE)


async def drain_and_exit(stage: str, error: BaseException, outbox: Outbox) -> None:
    """End the process when all that has begun to be delivered has ended, or soon anyway.

    A worker that was frozen learns in one shell that it has lost its partitions. Would it end
    while another has sent outputs and not yet their state, then nothing told the owner that these
    outputs came late.
    """
    outbox.stopped = True
    await outbox.drain(END_SECONDS)
    exit_now(stage, error)
