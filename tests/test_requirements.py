"""The locked requirements: they satisfy pyproject.toml, each with a hash, and hold what ships."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
NOT_LOCKED = {
    "tensorrt",  # its packages are on NVIDIA's own index, and say what they need only there
    "peers",  # what they need contradicts what we need; the benchmark names what is missing
}
ALL = sorted(EXTRAS.keys() - NOT_LOCKED)
LOCKED = {
    "build": PROJECT["build-system"]["requires"],
    "serving": PROJECT["project"]["dependencies"],
    **{
        extra: [*PROJECT["project"]["dependencies"], *EXTRAS[extra]]
        for extra in ("dashboard", "embedded", "gpu", "otel", "train")
    },
    "sbom": PROJECT["dependency-groups"]["sbom"],
    "development": [
        *PROJECT["project"]["dependencies"],
        *(each for extra in ALL for each in EXTRAS[extra] if not each.startswith("stream-app[")),
    ],
}
PLATFORMS = {
    "Linux": {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"},
    "Mac": {"sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"},
}
ENVIRONMENTS = [
    {"python_version": python, "python_full_version": f"{python}.0", **platform}
    for python, platform in itertools.product(("3.11", "3.12", "3.13"), PLATFORMS.values())
]
ENTRY = re.compile(r"^([a-zA-Z0-9].*?)((?: \\\n +--hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def text(name: str) -> str:
    return (ROOT / f"requirements/{name}.txt").read_text()


def locked(name: str, environment: dict[str, str]) -> dict[str, Version]:
    """Exact version of each package where that environment holds."""
    found: dict[str, Version] = {}
    for line, _ in ENTRY.findall(text(name)):
        entry = Requirement(line)
        if entry.marker is None or entry.marker.evaluate(environment):
            (pin,) = entry.specifier
            assert pin.operator == "==", line
            package = canonicalize_name(entry.name)
            assert package not in found, f"{package} is locked twice in {environment}"
            found[package] = Version(pin.version)
    return found


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: "-".join(e.values()))
@pytest.mark.parametrize("name", LOCKED)
def test_the_lock_satisfies_the_ranges(name: str, environment: dict[str, str]) -> None:
    found = locked(name, environment)
    for wanted in map(Requirement, LOCKED[name]):
        if wanted.marker is None or wanted.marker.evaluate(environment):
            assert wanted.specifier.contains(found[canonicalize_name(wanted.name)]), (
                f"{wanted} is locked as {found[canonicalize_name(wanted.name)]}: run `make lock`"
            )


@pytest.mark.parametrize("name", LOCKED)
def test_nothing_is_without_a_hash_or_from_elsewhere(name: str) -> None:
    rest = ENTRY.sub("", text(name))
    assert all(line.startswith("#") or not line for line in rest.splitlines()), rest
    assert "://" not in text(name) and "index" not in text(name)


def test_serving_holds_neither_training_nor_the_embedded_broker() -> None:
    for environment in ENVIRONMENTS:
        serving = locked("serving", environment)
        only = {Requirement(line).name for line in (*EXTRAS["train"], *EXTRAS["embedded"])}
        assert not only & serving.keys()
        assert not [name for name in serving if name.startswith(("torch", "nvidia", "triton"))]
        for name in LOCKED.keys() - {"build", "serving", "sbom"}:
            assert serving.items() <= locked(name, environment).items(), name


def test_gpu_adds_nothing_but_the_cuda_libraries_where_there_can_be_a_card() -> None:
    for environment in ENVIRONMENTS:
        more = locked("gpu", environment).keys() - locked("serving", environment).keys()
        assert all(name.startswith("nvidia-") for name in more)
        assert bool(more) == (environment["sys_platform"] == "linux")


def test_every_lock_is_tested_and_audited() -> None:
    files = {file.stem for file in (ROOT / "requirements").glob("*.txt")}
    assert files == LOCKED.keys()
    makefile = (ROOT / "Makefile").read_text()
    (audited,) = re.findall(r"^LOCKS := (.+)$", makefile, re.MULTILINE)
    assert set(audited.split()) == files


def test_the_image_installs_what_is_locked() -> None:
    joined = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"\S+pip (?:install|wheel) [^&\n]+", joined)
    assert len(installs) == 5
    for line in installs:
        assert "--require-hashes" in line or "--no-deps" in line, line
