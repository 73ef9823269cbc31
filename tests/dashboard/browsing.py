"""What the tests of the page share."""

import signal
from typing import NamedTuple


class Demo(NamedTuple):
    """A demo that has played its week and goes on."""

    url: str
    broker: str


def interruptible() -> None:
    """Let SIGINT end this process: a shell's background jobs, and all they start, ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
