"""How a worker ends that cannot go on: at once, but deliveries that have begun are finished."""

import logging
import os
import traceback

from aiokafka.errors import KafkaError

from stream_app.delivery.outbox import Outbox
from stream_app.delivery.ownership import Fenced
from stream_app.schemas import Invalid
from stream_app.schemas.state import StateError

log = logging.getLogger(__name__)

EXIT_FAILURE = 70
END_SECONDS = 5.0
"""How long deliveries that others have begun may take when one has failed."""
SELF_EXPLAINING = (StateError, Invalid, Fenced, KafkaError)
"""Errors of which the log has the text alone: it says what is wrong, and quotes no content."""


def exit_now(stage: str, error: BaseException) -> None:
    """End the process at once: what is not acked is delivered again to a successor.

    Of an unexpected error the log has the type and the traceback, not the text: Python's own
    errors often quote the value that they failed on, which may be personal.
    """
    if isinstance(error, SELF_EXPLAINING):
        log.critical("%s failed, the worker stops: %s", stage, error)
    else:
        lines = "".join(traceback.format_tb(error.__traceback__))
        log.critical("%s failed, the worker stops: %s\n%s", stage, type(error).__name__, lines)
    logging.shutdown()
    os._exit(EXIT_FAILURE)


async def drain_and_exit(stage: str, error: BaseException, outbox: Outbox) -> None:
    """End the process when all deliveries that have begun are finished, or after `END_SECONDS`.

    A worker that was frozen learns in one shell that it is fenced. If it ended while another shell
    had sent outputs and not yet their state, no stale state would make the owner send those
    outputs again.
    """
    outbox.stopped = True
    await outbox.drain(END_SECONDS)
    exit_now(stage, error)
