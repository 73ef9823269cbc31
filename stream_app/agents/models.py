"""models → the bundle that this worker serves; loaded aside, swapped between two batches."""

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from stream_app import schemas
from stream_app.agents.description import Subscriber, Subscription
from stream_app.inference.bundle import BundleError
from stream_app.inference.live import Live
from stream_app.pipeline import Pipeline
from stream_app.schemas import Invalid, Promotion
from stream_app.telemetry import metrics

log = logging.getLogger(__name__)


class _Promoted:
    """Follows the newest promotion; one bundle is loaded at a time."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._newest: bytes | None = None
        self._loading: Future[None] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="models")
        self._note()

    def take(self, key: bytes | None, value: bytes | None) -> None:
        self._newest = value
        if value is not None:
            self._loading = self._pool.submit(self._follow, value)

    async def settled(self) -> None:
        if self._loading is not None:
            await asyncio.wrap_future(self._loading)

    def _follow(self, value: bytes) -> None:
        if value is not self._newest:
            return  # promoted over while another was loading
        try:
            promotion = schemas.decode(value, Promotion)
            if promotion.version == self._live.version:
                return
            self._live.swap(Path(promotion.folder), promotion.version, promotion.sha256)
        except (Invalid, BundleError) as error:
            self._refuse(error)
        except Exception as error:
            # A graph that loads and then fails must not end a worker that has one that works.
            log.exception("the promoted bundle fails")
            self._refuse(error)
        else:
            log.warning("model %s serves from now on", self._live.version)
            self._note()

    def _refuse(self, error: Exception) -> None:
        metrics.REFUSED.inc()
        log.error("promotion refused, %s serves on: %s", self._live.version, error)

    def _note(self) -> None:
        model = self._live.current.inference.model
        metrics.MODEL.info({"version": model.version, "provider": model.provider})


def _open(pipeline: Pipeline) -> Subscriber:
    """A worker that starts serves the promoted bundle, not the one of its settings."""
    promoted = _Promoted(pipeline.live)
    return Subscriber(promoted.take, settled=promoted.settled)


# Nothing that replay reads leads to a promotion.
SUBSCRIPTION = Subscription("models", _open, replayed=False)
