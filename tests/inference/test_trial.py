"""A bundle in a child process: what ends there does not end here."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from stream_app.inference.bundle import write_checksums
from stream_app.inference.trial import Limits, TrialError, Trials

GRAPHS = Path(__file__).parent / "graphs"
LIMITS = Limits(seconds=6, memory_mb=512)
TEXTS = ["it came late", "太贵了"]


@pytest.fixture
def folder(variant: Callable[..., Path]) -> Callable[[str], Path]:
    numbers = count(1)

    def make(graph: str) -> Path:
        made = variant(f"{graph}-{next(numbers)}")
        shutil.copyfile(GRAPHS / f"{graph}.onnx", made / "model.onnx")
        write_checksums(made)
        return made

    return make


def test_a_sound_bundle_passes(folder: Callable[[str], Path], variant: Callable[..., Path]) -> None:
    Trials(LIMITS).run(folder("small"), TEXTS)
    Trials(Limits(60, 512)).run(variant("whole-1"), TEXTS)


def test_an_endless_loop_is_ended_in_time(folder: Callable[[str], Path]) -> None:
    begun = time.monotonic()
    with pytest.raises(TrialError, match="not done within 6 s"):
        Trials(LIMITS).run(folder("endless"), TEXTS)
    assert time.monotonic() - begun < 2 * LIMITS.seconds


def test_limits_hold_for_memory(folder: Callable[[str], Path]) -> None:
    """A graph that takes 1 GiB passes where it may, one that takes 100 GB nowhere."""
    Trials(Limits(60, 4096)).run(folder("stout"), TEXTS)
    for graph in ("stout", "greedy"):
        with pytest.raises(TrialError, match="memory"):
            Trials(Limits(60, 512)).run(folder(graph), TEXTS)


def test_answers_that_are_none_are_refused(variant: Callable[..., Path]) -> None:
    with pytest.raises(TrialError):
        Trials(Limits(60, 512)).run(variant("short-1", dimensions=128), TEXTS)


def test_a_crash_is_one_line(folder: Callable[[str], Path]) -> None:
    trials = Trials(Limits(60, 512))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(trials.run, folder("endless"), TEXTS)
        while trials._child is None:
            time.sleep(0.01)
        os.kill(trials._child.pid, signal.SIGSEGV)
        with pytest.raises(TrialError, match="ended by SIGSEGV"):
            running.result()


def test_the_child_has_none_of_the_secrets(
    folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stream_app.inference.trial import _environment

    monkeypatch.setenv("STREAM_APP_SASL_PASSWORD", "secret")
    assert "secret" not in _environment().values()


def test_a_stop_ends_the_trial_and_all_to_come(folder: Callable[[str], Path]) -> None:
    trials, path = Trials(Limits(60, 512)), folder("endless")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(trials.run, path, TEXTS)
        while trials._child is None:
            time.sleep(0.01)
        trials.stop()
        with pytest.raises(TrialError):
            running.result(10)
    with pytest.raises(TrialError, match="stops"):
        trials.run(path, TEXTS)
