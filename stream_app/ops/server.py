"""The worker's pages: `/metrics`, `/health/live` and `/health/ready`, on one socket."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import faust
import msgspec
from aiohttp import web
from mode import Service
from prometheus_client import REGISTRY, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from stream_app.delivery.broadcast import Broadcast
from stream_app.inference.live import Live
from stream_app.ops import guard as guards
from stream_app.ops import health
from stream_app.ops.guard import LOOPBACK, Guard
from stream_app.ops.progress import Progress
from stream_app.settings import Settings, SettingsError

log = logging.getLogger(__name__)

LIVE = "/health/live"
PARTITION = ("topic", "partition")


class Listening(NamedTuple):
    """A bound socket, and who may ask there."""

    socket: socket.socket
    guard: Guard


def listen(settings: Settings) -> Listening | None:
    """Bind to `http_host` and `http_port`, if there is one; raises SettingsError."""
    if not settings.http_port:
        return None
    host = settings.http_host or LOOPBACK
    guard = guards.for_host(host, settings.http_token)
    try:
        bound = socket.create_server(
            (host, settings.http_port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
        )
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"http_host {host}, http_port {settings.http_port}: {reason}") from None
    return Listening(bound, guard)


class Endpoint(Service):  # type: ignore[misc]
    """Serves the pages of one worker, from before its partitions come until it has stopped."""

    def __init__(
        self,
        app: faust.App,
        broadcasts: Sequence[Broadcast],
        settings: Settings,
        listening: Listening,
        live: Live,
    ) -> None:
        super().__init__()
        self._app = app
        self._broadcasts = broadcasts
        self._live = live
        self._prefix = settings.prefix
        self._progress = Progress(app, settings)
        self._socket = listening.socket
        pages = web.Application()
        guards.protect(pages, listening.guard, frozenset({LIVE}))
        pages.router.add_get(LIVE, self._alive)
        pages.router.add_get("/health/ready", self._ready)
        pages.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(pages, access_log=None, shutdown_timeout=1.0)

    async def on_start(self) -> None:
        """Answer from now on."""
        # What is no HTTP would fill the log; what fails behind a page, the guard logs.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def on_stop(self) -> None:
        """Close the socket."""
        await self._runner.cleanup()

    @Service.task  # type: ignore[untyped-decorator]
    async def _check_progress(self) -> None:
        await self._progress.run(lambda: self.should_stop)

    def _reasons(self) -> list[str]:
        view = health.view(self._app, self._broadcasts, self._progress, self._live)
        return health.reasons(view, time.time())

    async def _alive(self, request: web.Request) -> web.Response:
        return _json({"live": True})

    async def _ready(self, request: web.Request) -> web.Response:
        found = self._reasons()
        # A worker that serves an older bundle works: it says so, and is ready.
        notes = {"notes": [self._live.behind]} if self._live.behind else {}
        if found:
            return _json({"ready": False, "reasons": found} | notes, 503)
        return _json({"ready": True} | notes)

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        measured = list(_gauges(not self._reasons(), self._progress, self._prefix))
        # The event loop never computes.
        body = await asyncio.to_thread(encode, _All(measured))
        return web.Response(body=body, headers={"Content-Type": kind})


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value) + b"\n", status=status, content_type="application/json"
    )


class _All:
    """What is counted in this process, and what was measured for this answer."""

    def __init__(self, measured: list[Metric]) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        """All of it, for an encoder."""
        yield from REGISTRY.collect()
        yield from self._measured


def _gauges(ready: bool, progress: Progress, prefix: str) -> Iterator[Metric]:
    """Readiness, and the progress of each partition that is here now."""
    yield GaugeMetricFamily("stream_app_ready", "1 where the worker is ready", float(ready))
    lag = GaugeMetricFamily(
        "stream_app_lag_messages", "Messages that the group has not committed", labels=PARTITION
    )
    committed = GaugeMetricFamily(
        "stream_app_committed_offset", "The offset that the group goes on from", labels=PARTITION
    )
    last = GaugeMetricFamily(
        "stream_app_last_commit_timestamp_seconds",
        "When the committed offset last moved, at first when the partition came",
        labels=PARTITION,
    )
    for (topic, number), partition in progress.partitions.items():
        labels = (topic.removeprefix(prefix), str(number))
        lag.add_metric(labels, partition.lag)
        committed.add_metric(labels, partition.committed)
        last.add_metric(labels, partition.committed_at)
    yield from (lag, committed, last)
