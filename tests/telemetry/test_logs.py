"""Log lines for machines: one object each, whatever is in them."""

import json
import logging
from typing import Any

import pytest

from stream_app.settings import Settings, SettingsError, load
from stream_app.telemetry import logs


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Any:
    """Lines of the log so far; the root logger is as before when the test ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err.removesuffix("\n").split("\n")
    root.handlers[:], root.level = handlers, level


def test_json_lines(written: Any) -> None:
    logs.configure(Settings(log_format="json"), "info")
    log = logging.getLogger("stream_app.test")
    log.info('%s said "hello"\n{"level": "forged"}\r\u2028\x00', "电池")
    log.debug("not told")
    log.error("half a pair \ud83d")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("failed")
    told = [json.loads(line) for line in written()]
    assert [entry["level"] for entry in told] == ["INFO", "ERROR", "ERROR"]
    assert told[0]["message"] == '电池 said "hello"\n{"level": "forged"}\r\u2028\x00'
    assert told[0]["logger"] == "stream_app.test"
    assert told[0]["time"].endswith("+00:00") and len(told[0]["time"]) == 29
    assert told[1]["message"] == "half a pair ?"
    assert "exception" not in told[0]
    assert told[2]["exception"].endswith("ValueError: two\nlines")


def test_text_lines(written: Any) -> None:
    logs.configure(Settings(), "WARNING")
    logging.getLogger("a").info("not told")
    logging.getLogger("a").warning("told")
    (line,) = written()
    assert line.endswith(" WARNING a: told") and not line.startswith("{")


def test_a_message_is_one_line_of_text_and_moves_no_cursor(written: Any) -> None:
    logs.configure(Settings(), "INFO")
    logging.getLogger("a").info("%s", "电池\n2026-01-01 ERROR forged\r\x1b[2K\u2028\x85end")
    (line,) = written()
    assert line.endswith("电池\\n2026-01-01 ERROR forged\\r\\x1b[2K\\u2028\\x85end")


def test_another_format_is_refused() -> None:
    with pytest.raises(SettingsError, match="LOG_FORMAT"):
        load(environ={"STREAM_APP_LOG_FORMAT": "xml"})
