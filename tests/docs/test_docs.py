"""What the docs name is there: links, paths, commands, options, settings, topics, rights."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from stream_app.commands.access import COMPONENTS, acls
from stream_app.commands.main import main
from stream_app.messages.topics import BY_NAME, TABLES, changelog, full_name
from stream_app.settings import OTHERS, PREFIX, Settings

ROOT = Path(__file__).parents[2]
ENTRANCES = ("README.md", "README.zh.md")
PAGES = [
    *(ROOT / name for name in (*ENTRANCES, "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
PATH = re.compile(
    r"\b(?:stream_app|tests|bench|docs|deploy|models|schemas|examples|requirements)/[\w./-]*"
)
MODULE = re.compile(r"python -m ((?:bench|tests|stream_app)[\w.]*)")
PLACEHOLDER = "…"


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The headings of a page as their links name them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text(page)), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"\s", "-", heading) for heading in plain}


def code(page: Path) -> Iterator[str]:
    """All that stands as code: spans, and lines of shell with continuations joined."""
    whole = text(page)
    for language, block in FENCE.findall(whole):
        if language == "sh":
            yield from block.replace("\\\n", " ").splitlines()
    # A span may run over the end of a line.
    yield from CODE.findall(re.sub(r"(?<=\S)\n(?=\S)", " ", FENCE.sub("", whole)))


@pytest.mark.parametrize("name", ENTRANCES)
def test_an_entrance_is_short(name: str) -> None:
    assert len(text(ROOT / name).splitlines()) <= 150


def test_both_entrances_lead_to_the_same_places() -> None:
    places = [{link for link in LINK.findall(text(ROOT / name))} for name in ENTRANCES]
    english, chinese = ({one for one in each if not one[0].endswith(".png")} for each in places)
    assert english ^ chinese == {("README.md", ""), ("README.zh.md", "")}


@by_page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for path, anchor in LINK.findall(text(page)):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}" if anchor else path)
    assert not broken


@by_page
def test_every_path_is_there(page: Path) -> None:
    named = {path.rstrip("./") for one in code(page) for path in PATH.findall(one)}
    assert not sorted(path for path in named if not (ROOT / path).exists())


@by_page
def test_every_module_is_there(page: Path) -> None:
    for module in MODULE.findall(re.sub(r"\s+", " ", text(page))):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def commands(line: str) -> Iterator[list[str]]:
    """The words of each call of ours in a line of shell or a span."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return
    call: list[str] = []
    for word in [*words, ";"]:
        if word not in ("|", "&&", "&", ";", ">"):
            call.append(word)
            continue
        # What a namespace or a release of that name is to others is no call of ours.
        if "stream-app" in call and call[0] not in ("helm", "kubectl"):
            yield call[call.index("stream-app") + 1 :]
        call = []


def unknown(words: list[str]) -> str | None:
    """What of a call there is not; None: all is there."""
    command: click.Command = main
    context = click.Context(main)
    waiting = 0
    for word in words:
        if waiting:
            waiting -= 1
            continue
        if word.startswith("-"):
            name = word.partition("=")[0]
            options = {flag: p for p in command.params for flag in (*p.opts, *p.secondary_opts)}
            if name in ("--help", "-h"):
                continue
            if name not in options:
                return f"{command.name}: no option {name}"
            option = options[name]
            assert isinstance(option, click.Option)
            waiting = 0 if option.is_flag or "=" in word else option.nargs
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return f"no command {word}"
            command = found
    return None


@by_page
def test_every_command_and_option_is_there(page: Path) -> None:
    wrong = []
    for line in code(page):
        # What stands for more, or for another word, ends a call.
        for words in commands(line.partition(PLACEHOLDER)[0]):
            if (problem := unknown(words)) is not None:
                wrong.append(f"{' '.join(words)}: {problem}")
    assert not wrong


def test_a_command_that_is_not_there_is_noticed() -> None:
    (words,) = commands("STREAM_APP_APP=x stream-app topics make")
    assert unknown(words) == "no command make"
    (words,) = commands("stream-app --profile shop tail alerts --backwards | head")
    assert unknown(words) == "tail: no option --backwards"
    (words,) = commands("stream-app topics strimzi --cluster x | kubectl -n stream-app apply -f -")
    assert unknown(words) is None


@by_page
def test_every_target_of_make_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = {target for one in code(page) for target in re.findall(r"^make ([a-z-]+)", one)}
    assert named <= targets


def test_every_setting_is_explained() -> None:
    told = re.findall(rf"^\| `{PREFIX}(\w+)` \|", text(ROOT / "docs/operations.md"), re.MULTILINE)
    fields = [field.name.upper() for field in msgspec.structs.fields(Settings)]
    assert sorted(told) == sorted(fields)


@by_page
def test_every_variable_is_a_setting(page: Path) -> None:
    fields = {field.name.upper() for field in msgspec.structs.fields(Settings)} | set(OTHERS)
    named = set(re.findall(rf"{PREFIX}([A-Z][A-Z_]*[A-Z])", text(page)))
    assert named <= fields


def rows(page: str, head: str) -> Iterator[list[str]]:
    """The cells of the table whose first line begins so."""
    lines = text(ROOT / page).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(head))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_every_topic_is_explained() -> None:
    told = {row[0].split("`")[1]: row for row in rows("docs/operations.md", "| topic ")}
    settings = Settings()
    changelogs = {changelog(settings, table.name): table.key for table in TABLES}
    assert told.keys() == BY_NAME.keys() | changelogs.keys()
    for name, row in told.items():
        if name in changelogs:
            assert (row[1], row[3]) == (changelogs[name], "compacted")
        else:
            assert row[3].startswith("compacted") == BY_NAME[name].compacted, name
            assert ("(in)" in row[0]) == (BY_NAME[name].writers == ("producer",)), name
            assert ("internal" in row[2]) == BY_NAME[name].internal, name


def test_the_table_of_rights_is_what_is_given() -> None:
    settings = Settings()
    logs = {changelog(settings, table.name) for table in TABLES}
    told = {row[0]: row[1:3] for row in rows("docs/operations.md", "| component ")}
    assert told.keys() == set(COMPONENTS)
    for component, cells in told.items():
        given = [acl for acl in acls(settings, component) if acl.resource == "topic"]  # type: ignore[arg-type]
        for operation, cell in zip(("Read", "Write"), cells, strict=True):
            names = {name for name in cell.split(", ") if name}
            wanted = {full_name(settings, name) for name in names - {"changelogs"}}
            wanted |= logs if "changelogs" in names else set()
            assert wanted == {acl.name for acl in given if acl.operation == operation}, component


def test_the_picture_shows_the_rooms_in_the_order_of_the_contract() -> None:
    project = tomllib.loads(text(ROOT / "pyproject.toml"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    rooms = [room for layer in contract["layers"] for room in re.split(r"[\s|:]+", layer)]
    drawn = re.findall(r'<text class="n"[^>]*>([^<]+)</text>', text(ROOT / "docs/rooms.svg"))
    assert drawn == rooms


def test_the_picture_of_the_flow_shows_topics_and_agents() -> None:
    flow = text(ROOT / "docs/flow.svg")
    drawn = set(re.findall(r'<text class="p"[^>]*>([^<]+)</text>', flow))
    # What travels past the agents: the bundle that serves, what a person has seen, the contract.
    assert drawn == BY_NAME.keys() - {"models", "acknowledgements", "group"}


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
        env=dict(os.environ) | {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    for page in ("index", "architecture", "CONTRIBUTING", "CHANGELOG"):
        assert (tmp_path / f"{page}.html").exists()
