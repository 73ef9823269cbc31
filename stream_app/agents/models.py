"""models → the bundle that this worker serves; tried in a child process, loaded aside, swapped
between two batches."""

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from stream_app import schemas
from stream_app.agents.description import Subscriber, Subscription
from stream_app.inference import attempts as attempted
from stream_app.inference import promotion as announced
from stream_app.inference import signature
from stream_app.inference.attempts import ENDS, Announced, Attempts
from stream_app.inference.bundle import Bundle, BundleError, load, mismatch
from stream_app.inference.live import Live
from stream_app.inference.promotion import KEY, REASONS, Refused, line
from stream_app.inference.trial import Limits, TrialError, Trials
from stream_app.pipeline import Pipeline
from stream_app.schemas import Invalid, Promotion
from stream_app.settings import Settings
from stream_app.telemetry import metrics

log = logging.getLogger(__name__)

# What never happened shall stand at 0.
for _reason in REASONS:
    metrics.REFUSED.labels(_reason)

TOLD = 10
"""Messages of other keys of which the log tells; the metric counts all."""


class _Promoted:
    """Follows the newest promotion; one bundle is tried and loaded at a time."""

    def __init__(self, live: Live, settings: Settings) -> None:
        """Raises SettingsError for a `bundle_key` that is none."""
        self._live = live
        self._root = Path(settings.bundle_root) if settings.bundle_root else None
        self._keys = signature.trusted(settings)
        self._attempts = Attempts(Path(settings.data_dir))
        self._trials = Trials(Limits(settings.bundle_seconds, settings.bundle_memory_mb))
        self._newest: bytes | None = None
        self._following: Future[None] | None = None
        self._under_way: Announced | None = None
        self._strangers = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="models")
        self._note()

    def take(self, key: bytes | None, value: bytes | None) -> None:
        if key != KEY:
            self._strange(key)
            return
        self._newest = value
        if value is not None:
            self._following = self._pool.submit(self._follow, value)

    async def settled(self) -> None:
        """Until what was announced before this worker came serves, or is refused."""
        if self._following is None:
            return
        self._live.awaited = "the announced bundle is being tried and loaded"
        await asyncio.wrap_future(self._following)
        self._live.awaited = ""

    def stop(self) -> None:
        """An orderly stop: the trial ends, and its end is nobody's fault."""
        self._trials.stop()
        if self._under_way is not None:
            self._attempts.survived(self._under_way)

    def _follow(self, value: bytes) -> None:
        if value is not self._newest:
            return  # promoted over while another was loading
        try:
            self._serve(value)
        except Exception as error:
            # A graph that loads and then fails must not end a worker that has one that works.
            if not self._trials.stopped:
                self._refuse(error)
                self._fall_back()
        else:
            self._live.behind = ""
            metrics.BEHIND.set(0)

    def _serve(self, value: bytes) -> None:
        try:
            promotion = schemas.decode(value, Promotion)
        except Invalid as error:
            raise Refused("unreadable", error) from error
        if promotion.sha256 == self._live.bundle.sha256:
            return
        if self._root is None or not self._keys:
            missing = "bundle_root" if self._root is None else "bundle_key"
            raise Refused("unconfigured", f"no {missing} is set, so no announced bundle is taken")
        path = announced.folder(self._root, promotion)
        this = attempted.of(promotion, path.name)
        if why := self._attempts.failure(this):
            raise Refused("trial", f"failed before: {why}")
        bundle = self._verified(path, this)
        self._load(bundle, this, tried=this.sha256 in {good.sha256 for good in self._attempts.good})

    def _verified(self, path: Path, this: Announced) -> Bundle:
        """The folder, if it is what was announced, signed, and fits what serves."""
        try:
            bundle = load(path)
        except BundleError as error:
            raise Refused("folder", error) from error
        if (bundle.version, bundle.sha256) != (this.version, this.sha256):
            said = f"{path}: is not the announced {this.version}, but {bundle.version}"
            raise Refused("announced", said)
        try:
            signature.check(path, bundle.sha256, self._keys)
        except BundleError as error:
            raise Refused("signature", error) from error
        if (reason := mismatch(bundle.config, self._live.bundle.config)) is not None:
            raise Refused("unfit", f"{path}: {reason}")
        return bundle

    def _load(self, bundle: Bundle, this: Announced, tried: bool) -> None:
        """Try it, unless this worker has served it before, and let it serve. Should it end the
        process, that is on disk."""
        if (ends := self._attempts.ends(this)) >= ENDS:
            raise Refused("ends", f"{this.version}: {ends} loads of it have ended this worker")
        self._under_way = this
        self._attempts.begun(this)
        try:
            if not tried:
                self._trials.run(bundle.path, self._live.texts)
            self._live.swap(bundle)
        except TrialError as error:
            why = line(error)
            if not self._trials.stopped:
                self._attempts.failed(this, why)
            raise Refused("trial", why) from error
        except BundleError as error:
            raise Refused("failed", error) from error
        else:
            self._attempts.served(this)
        finally:
            self._under_way = None
            if not self._attempts.failure(this):
                self._attempts.survived(this)
        log.warning("model %s serves from now on", self._live.version)
        self._note()

    def _fall_back(self) -> None:
        """Where the newest is refused, serve the last good one, and say so."""
        for good in self._attempts.good:
            if self._root is None or good.sha256 == self._live.bundle.sha256:
                break
            try:
                self._load(self._verified(self._root / good.name, good), good, tried=True)
            except Exception as error:
                why = line(f"{type(error).__name__}: {error}")
                log.error("%s, which was good, is refused too: %s", good.version, why)
                continue
            break
        else:
            return
        self._live.behind += f"; {self._live.version}, the last good one, serves"

    def _refuse(self, error: Exception) -> None:
        reason = error.reason if isinstance(error, Refused) else "failed"
        why = line(error if isinstance(error, Refused) else f"{type(error).__name__}: {error}")
        metrics.REFUSED.labels(reason).inc()
        metrics.BEHIND.set(1)
        self._live.behind = f"the announced bundle is refused ({reason}): {why}"
        log.error("promotion refused (%s), %s serves on: %s", reason, self._live.version, why)

    def _strange(self, key: bytes | None) -> None:
        metrics.REFUSED.labels("key").inc()
        self._strangers += 1
        if self._strangers <= TOLD:
            log.error("promotion refused: its key is %s, not %r", line(key), KEY)

    def _note(self) -> None:
        model = self._live.current.inference.model
        metrics.MODEL.info({"version": model.version, "provider": model.provider})


def _open(pipeline: Pipeline) -> Subscriber:
    """A worker that starts serves the promoted bundle, not the one of its settings."""
    promoted = _Promoted(pipeline.live, pipeline.settings)
    return Subscriber(promoted.take, settled=promoted.settled, stop=promoted.stop)


# Nothing that replay reads leads to a promotion.
SUBSCRIPTION = Subscription("models", _open, replayed=False)
