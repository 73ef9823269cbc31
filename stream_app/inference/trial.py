"""A bundle tried in a child process, with limits of time and memory, before a worker loads it.

A graph is a program: it may loop for ever, take all memory or end the process that runs it. The
child reads the bundle as a worker would, on the CPU, where the limits hold, and answers texts.

`python -m stream_app.inference.trial` is the child: it reads one `Task` from stdin and writes one
line, `ok` or why not.
"""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec

from stream_app.inference.bundle import BundleError

OK = "ok"
LONG = 10_000
"""Characters of the longest text that is tried."""
UNIT = 0.01
"""How far an embedding's length may be from 1, and the probabilities' sum."""
INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR")
"""Variables of the child: no secret of the worker's is among them."""


class TrialError(BundleError):
    """The bundle does not do in a child what it must; the message says what happened."""


class Limits(NamedTuple):
    """What a trial may take."""

    seconds: float
    memory_mb: int
    """Beyond what the child takes without the bundle."""


class Task(msgspec.Struct, frozen=True):
    """What the child is told."""

    folder: str
    texts: list[str]
    seconds: float
    memory: int
    """Bytes."""


class Trials:
    """Tries bundles one after the other. `stop` ends the one under way, from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self, folder: Path, texts: Sequence[str]) -> None:
        """Load the folder in a child and let it answer the texts; raises TrialError."""
        limits = self._limits
        task = Task(str(folder), list(texts), limits.seconds, limits.memory_mb * 2**20)
        with self._lock:
            if self._stopped:
                raise TrialError(f"{folder}: not tried, the worker stops")
            child = self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        try:
            said, _ = child.communicate(msgspec.json.encode(task), timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            raise TrialError(f"{folder}: not done within {limits.seconds:g} s") from None
        finally:
            child.kill()
            child.communicate()
        if child.returncode < 0:
            raise TrialError(f"{folder}: {_ended(-child.returncode)}")
        answer = said.decode(errors="replace").strip()
        if child.returncode or answer != OK:
            raise TrialError(f"{folder}: {answer or f'ended with {child.returncode}'}")

    @property
    def stopped(self) -> bool:
        """Whether trials end because the worker does."""
        return self._stopped

    def stop(self) -> None:
        """End the trial under way; there is none after it."""
        with self._lock:
            self._stopped = True
            if self._child is not None:
                self._child.kill()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # The child finds the package where this process has found it, and in no other folder.
    path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    return kept | {"PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"}


def _ended(number: int) -> str:
    if number == getattr(signal, "SIGXCPU", None):
        return "used up its processor time"
    return f"the child was ended by {signal.Signals(number).name}"


def _bound(seconds: float, memory: int) -> None:
    """Limits of this process from now on, on top of what it has taken. Only POSIX has them."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # The parent ends it by the clock; this is for the case that it cannot.
    whole = math.ceil(2 * seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole))
    if sys.platform == "linux":
        import ctypes

        # The worker may be killed: what it tried goes with it.
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        # Where memory ends all the same, this process is the one to end.
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _try(task: Task) -> str:
    """`ok`, or what is wrong with the bundle's answers."""
    import numpy as np

    from stream_app.inference.batching import Inference
    from stream_app.inference.bundle import load
    from stream_app.inference.runtime import Model

    _bound(task.seconds, task.memory)
    inference = Inference(Model(load(Path(task.folder)), 1, "cpu"), workers=1, cache_size=0)
    outputs = inference.infer([*task.texts, "", "1 " * (LONG // 2)])
    for error in outputs.errors.values():
        raise error
    lengths = np.linalg.norm(outputs.embedding, axis=1)
    sums = outputs.probabilities.sum(axis=1)
    if not (np.abs(lengths - 1) < UNIT).all() or not (np.abs(sums - 1) < UNIT).all():
        return "embeddings are not of unit length, or probabilities do not sum to 1"
    return OK


def main() -> None:
    """Try what stdin names."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    try:
        said = _try(task)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    # No orderly end: threads of a graph that failed may never join.
    sys.stdout.write(" ".join(said.split())[:1000] + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
