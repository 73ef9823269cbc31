"""The last words of a worker say what failed and where, and repeat nothing of what it held."""

import subprocess
import sys

import pytest

PROGRAM = """
from schemas import Invalid
from stream_app.delivery.ending import die
from stream_app.stored import StateError
try:
    {error}
except Exception as error:
    die("interests", error)
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("b'13800138000\\xff'.decode()", "UnicodeDecodeError"),
        ("{}['13800138000']", "KeyError"),
        ("raise StateError('the table holds')", "the table holds"),
    ],
)
def test_an_unexpected_error_is_told_without_what_it_quotes(error: str, said: str) -> None:
    program = PROGRAM.replace("{error}", error)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 70
    assert f"interests failed, the worker stops: {said}" in done.stderr
    assert "13800138000" not in done.stderr
