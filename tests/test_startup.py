"""A command loads what it needs and no more."""

import subprocess
import sys
import time

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
    """Seconds of the fastest of several runs: others use this machine too."""
    taken = []
    for _ in range(TRIES):
        begin = time.perf_counter()
        python(*arguments)
        taken.append(time.perf_counter() - begin)
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
