"""Settings: every mistake is one line that names the setting and what it may be."""

import os
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stream_app.settings import OTHERS, PREFIX, Settings, SettingsError, environment, load

FIELDS = msgspec.structs.fields(Settings)
ROOT = Path(__file__).parents[1]
SHIPPED = ("deploy", "docs", "bench", "stream_app")
"""Folders whose files tell people which variables to set."""
TEXTS = [f.name for f in FIELDS if f.type is str]
NUMBERS = [f.name for f in FIELDS if type(f.default) in (int, float)]


def refused(environ: dict[str, str], path: Path | None = None) -> str:
    """The message of the refusal, which must be one line."""
    with pytest.raises(SettingsError) as caught:
        load(path, environ)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "1e30", "9" * 5000, "many", "true"])
def test_a_number_out_of_range_is_refused(name: str, value: str) -> None:
    said = refused({PREFIX + name.upper(): value})
    assert said.startswith(f"{PREFIX}{name.upper()} must be a ")
    assert " to " in said and len(said) < 120


def test_the_range_is_named() -> None:
    assert refused({"STREAM_APP_RECOMMEND": "-1"}) == (
        "STREAM_APP_RECOMMEND must be a whole number from 1 to 1000"
    )
    assert refused({"STREAM_APP_HTTP_PORT": "99999"}) == (
        "STREAM_APP_HTTP_PORT must be a whole number from 0 to 65535"
    )
    assert refused({"STREAM_APP_FUTURE_SECONDS": "nan"}) == (
        "STREAM_APP_FUTURE_SECONDS must be a number from 0 to 315360000"
    )
    assert refused({"STREAM_APP_LOG_FORMAT": "xml"}) == (
        "STREAM_APP_LOG_FORMAT must be one of json, text"
    )
    assert refused({"STREAM_APP_IDEMPOTENT": "perhaps"}) == (
        "STREAM_APP_IDEMPOTENT must be true or false"
    )


def test_a_file_is_held_to_the_same_ranges(tmp_path: Path) -> None:
    file = tmp_path / "stream-app.toml"
    for text, reason in (
        ("future_seconds = nan", "future_seconds must be a number from 0 to 315360000"),
        ("recommend = -1", "recommend must be a whole number from 1 to 1000"),
        ("partitions = 1.5", "partitions must be a whole number from 1 to 10000"),
        ("broker = 9092", "broker must be text"),
        ("partition = 4", "unknown setting partition: is partitions meant?"),
        ("[kafka]\nbroker = 'a:1'", "unknown setting kafka: is "),
    ):
        file.write_text(text)
        assert refused({}, file).startswith(f"{file}: {reason}")
    file.write_bytes(b'app = "\xff"')
    assert refused({}, file).startswith(f"{file}: ")


def test_an_unknown_variable_is_refused_with_the_nearest_known_one() -> None:
    for given_, meant in (
        ("PARTITION", "PARTITIONS"), ("HTTPPORT", "HTTP_PORT"), ("SASL_PASWORD", "SASL_PASSWORD"),
        ("broker", "BROKER"), ("CONFIGS", "CONFIG"),
    ):  # fmt: skip
        assert refused({PREFIX + given_: "secret"}) == (
            f"unknown variable {PREFIX}{given_}: is {PREFIX}{meant} meant?"
        )
    assert "is STREAM_APP_" in refused({"STREAM_APP_": "", "STREAM_APP_ZZZZ": ""})


def test_variables_of_others_and_those_that_are_no_settings_pass() -> None:
    others = {"STREAM_APPLICATION": "x", "PATH": "/", "STREAM_APP_CACHE": "/tmp", "STREAM_APP": "1"}
    assert load(environ=others) == Settings()


def test_the_bounds_themselves_are_taken_and_the_defaults_lie_within() -> None:
    assert msgspec.convert(msgspec.structs.asdict(Settings()), Settings) == Settings()
    for name, low, high in (("http_port", 0, 65535), ("recommend", 1, 1000)):
        for value in (low, high):
            taken = load(environ={PREFIX + name.upper(): str(value)})
            assert getattr(taken, name) == value


@examples(deadline=None)
@given(st.sampled_from(NUMBERS), st.floats() | st.integers())
def test_what_is_taken_is_finite_and_comes_back_from_its_own_variables(
    name: str, value: float
) -> None:
    try:
        settings = load(environ={PREFIX + name.upper(): str(value)})
    except SettingsError:
        return
    assert 0 <= getattr(settings, name) < 1e10
    assert load(environ=environment(settings)) == settings


@examples(deadline=None)
@given(st.text())
def test_any_text_is_taken_or_refused_in_a_line(text: str) -> None:
    for name in Settings.__struct_fields__:
        try:
            load(environ={PREFIX + name.upper(): text})
        except SettingsError as error:
            assert len(str(error).splitlines()) == 1
            assert name not in TEXTS


def test_every_variable_that_the_project_names_is_one() -> None:
    files = [f for folder in SHIPPED for f in (ROOT / folder).rglob("*") if f.is_file()]
    files += [*ROOT.glob("*.md"), *ROOT.glob("*.yml"), ROOT / "Dockerfile", ROOT / "Makefile"]
    named = {
        name
        for file in files
        if file.suffix in ("", ".py", ".md", ".yml", ".yaml")
        for name in re.findall(r"\bSTREAM_APP_([A-Z_]*[A-Z])\b", file.read_text(encoding="utf-8"))
    }
    assert "BROKER" in named
    assert named - {f.name.upper() for f in FIELDS} <= set(OTHERS)


def test_tests_run_without_the_settings_of_the_shell() -> None:
    assert [name for name in os.environ if name.startswith(PREFIX)] in ([], [PREFIX + "CACHE"])
