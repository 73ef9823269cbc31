"""What tests need of the machine: skipped where it is missing, but failed there in CI.

A container engine and a card are what no CI can be asked for: without them a test is skipped
anywhere, and its reason begins with `ENGINE` or `CARD`. Any other skip fails CI's run.
"""

import importlib
import os
import shutil
from typing import Any, NoReturn

import pytest

ENGINE, CARD = "docker engine: ", "CUDA: "
"""How the reasons of skips begin that CI allows."""


def in_ci() -> bool:
    return bool(os.environ.get("CI"))


def unavailable(reason: str) -> NoReturn:
    """Skip the test, its file, or what asked for the fixture; in CI it fails."""
    if in_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def tool(name: str) -> str:
    """The path of a program that must be installed."""
    return shutil.which(name) or unavailable(f"{name} is not installed")


def module(name: str, extra: str) -> Any:
    """A module that an extra of the package brings."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        unavailable(f"needs stream-app[{extra}]: {missing}")
