"""What the tests of the page share."""

import signal
import time
from typing import Any, NamedTuple


class Demo(NamedTuple):
    """A demo that has played its week and goes on."""

    url: str
    broker: str


def eventually(what: str, check: Any, seconds: float = 30.0) -> Any:
    """The first true answer of `check`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        if found := check():
            return found
        assert time.monotonic() < end, f"not in {seconds:g} s: {what}"
        time.sleep(0.05)


def interruptible() -> None:
    """Let SIGINT end this process: a shell's background jobs, and all they start, ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
