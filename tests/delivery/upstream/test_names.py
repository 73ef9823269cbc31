"""The pinned libraries have every name that we use; without one of them nothing starts."""

import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import stream_app.delivery.upstream as room
from stream_app.commands.errors import friendly
from stream_app.delivery.upstream import committed, membership, names, unpacking
from stream_app.delivery.upstream.assignment import Assignment
from stream_app.delivery.upstream.names import LIBRARIES, NAMES, UpstreamError, present
from stream_app.delivery.upstream.pace import Pace
from stream_app.delivery.upstream.process import Process
from stream_app.delivery.upstream.tables import add
from stream_app.delivery.upstream.transport import transport_class
from stream_app.settings import Settings

ROOT = Path(__file__).parents[3]
RAISED = """
A library was raised, or its pin. Before that, look in its new source at each of these, at what
calls it and at what it does now, then at the module of stream_app/delivery/upstream that uses it:
{}
Then run tests/delivery, tests/kafka, tests/faults and `make mutations`, and `make lock`."""


def to_look_at(library: str) -> str:
    return RAISED.format("\n".join(
        f"  {patch}.py: {name.place}.{name.name}: {name.purpose} (upstream: {name.issue})"
        for patch, used in NAMES.items() for name in used if name.library == library
    ))  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_installed_is_what_is_pinned(library: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = (r for r in map(Requirement, project["dependencies"]) if r.name == library)
    pins = [pin.version for pin in wanted.specifier if pin.operator == "=="]
    assert pins == [metadata.version(library)], to_look_at(library)
    for lock in (ROOT / "requirements").glob("*.txt"):
        if lock.name not in ("build.txt", "sbom.txt"):
            assert f"{library}=={pins[0]} " in lock.read_text(), f"{lock.name}: run `make lock`"


@pytest.mark.parametrize("patch", NAMES)
def test_every_name_is_there(patch: str) -> None:
    for name in NAMES[patch]:
        assert present(name), f"{name.place}.{name.name}: {name.purpose}" + to_look_at(name.library)


@pytest.mark.parametrize("patch", NAMES)
def test_every_name_is_used_by_the_module_it_is_listed_for(patch: str) -> None:
    source = (Path(str(room.__file__)).parent / f"{patch}.py").read_text()
    assert [name.name for name in NAMES[patch] if name.name not in source] == []


INSTALLED: dict[str, Callable[[], object]] = {
    "transport": lambda: transport_class(Settings()),
    "pace": lambda: Pace(None),
    "committed": committed.install,
    "membership": membership.install,
    "unpacking": unpacking.install,
    "store": lambda: add(None, "interests"),
    "tables": lambda: add(None, "interests"),
    "process": lambda: Process(None, stop_seconds=1.0),
    "assignment": lambda: Assignment(None),
}


def test_every_patch_is_tried() -> None:
    assert INSTALLED.keys() == NAMES.keys()


@pytest.mark.parametrize("patch", NAMES)
def test_without_a_name_a_patch_is_not_installed(
    patch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = NAMES[patch][-1]._replace(name="_renamed")
    monkeypatch.setitem(names.NAMES, patch, [gone])
    with pytest.raises(UpstreamError) as refused:
        INSTALLED[patch]()
    said = str(refused.value)
    assert f"{gone.library} {metadata.version(gone.library)} has no {gone.place}._renamed" in said
    assert f"stream_app/delivery/upstream/{patch}.py" in said and "\n" not in said


def test_a_command_tells_it_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    @friendly
    def command() -> None:
        raise UpstreamError("aiokafka 9 has no x")

    with pytest.raises(Exception, match=r"^aiokafka 9 has no x$") as refused:
        command()
    assert type(refused.value).__name__ == "ClickException"


@pytest.mark.parametrize(
    "place", ["aiokafka.gone", "aiokafka.consumer.consumer:Gone", "aiokafka:AIOKafkaConsumer"]
)
def test_what_has_moved_is_missed(place: str) -> None:
    assert not present(NAMES["pace"][0]._replace(place=place, name="_gone"))
