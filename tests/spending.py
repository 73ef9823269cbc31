"""How long work takes on a machine that others use too."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0
"""Seconds. Whoever shares caches and memory makes the same work take five times the CPU, for a
while."""


def within(seconds: float, work: Callable[[], Any], what: str = "") -> None:
    """Fails, and tells `what`, when work takes more CPU than that every time, for `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while True:
        start = time.process_time()
        work()
        spent = time.process_time() - start
        if spent < seconds:
            return
        assert time.monotonic() < end, f"{spent:.3f} s of CPU, not within {seconds:g}: {what}"
