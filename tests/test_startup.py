"""A command loads what it needs and no more."""

import resource
import subprocess
import sys

import pytest

HEAVY = ("faust", "onnxruntime", "numpy", "torch", "aiokafka", "nicegui")
MOST = 0.25
"""Seconds that a command may take before it does anything, more than Python itself."""
TRIES = 7


def python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def least(*arguments: str) -> float:
    """Processor seconds of the cheapest of several runs: unlike the clock's, others on this
    machine hardly change them."""
    taken = []
    for _ in range(TRIES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


@pytest.mark.parametrize("command", ["tail", "send", "topics", "broker", "acls", "dashboard"])
def test_help_loads_no_engine_and_no_client(command: str) -> None:
    program = f"""
import sys
from stream_app.commands.main import main
main([{command!r}, "--help"], standalone_mode=False)
print([name for name in {HEAVY} if name in sys.modules])
"""
    said = python("-c", program)
    assert said.startswith("Usage:")
    assert said.splitlines()[-1] == "[]"


def test_help_comes_at_once() -> None:
    bare, told = least("-c", "pass"), least("-m", "stream_app", "tail", "--help")
    assert told - bare < MOST
