"""A pytest plugin: in CI, a skip that hides something fails the run."""

import pytest
from _pytest.terminal import TerminalReporter

from tests.needs import CARD, ENGINE, in_ci


def hiding(reporter: TerminalReporter) -> list[str]:
    """The reasons of skips that are for lack of neither an engine nor a card."""
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in reporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    ]
    return sorted({reason for reason in reasons if not reason.startswith((ENGINE, CARD))})


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Runs once, where the reports come together: not in the processes of pytest-xdist."""
    reporter: TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and in_ci() and hiding(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    if in_ci():
        for reason in hiding(terminalreporter):
            terminalreporter.write_line(f"CI must not skip this: {reason}", red=True)
