"""The last words of a worker say what failed and where, and repeat nothing of what it held."""

import subprocess
import sys

import pytest

NUMBER = "13800138000"
PROGRAM = """
import sys

from stream_app.schemas import Invalid
from stream_app.delivery.ending import exit_now
from stream_app.schemas.state import StateError
number = sys.argv[1]
try:
    {error}
except Exception as error:
    exit_now("interests", error)
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("(number.encode() + b'\\xff').decode()", "UnicodeDecodeError"),
        ("{}[number]", "KeyError"),
        ("raise StateError('the table holds')", "the table holds"),
    ],
)
def test_an_unexpected_error_is_told_without_what_it_quotes(error: str, said: str) -> None:
    program = PROGRAM.replace("{error}", error)
    # Not in the program's text: the lines of code are told.
    done = subprocess.run(
        [sys.executable, "-c", program, NUMBER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 70
    assert f"interests failed, the worker stops: {said}" in done.stderr
    assert NUMBER not in done.stderr
