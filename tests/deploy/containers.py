"""The image built from the Dockerfile, and containers of it, by tools that need no daemon.

buildah builds and runc runs, both as packages of Debian. No registry of images is reached, so the
base is a Debian of the machine's own release that mmdebstrap makes: what the Dockerfile does on top
is done as it stands there.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests import needs

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("STREAM_APP_CACHE") or Path.home() / ".cache" / "stream-app") / "images"
RELEASE = "bookworm"
BASE = "localhost/python"
BUILT = ROOT / "build" / "image"
"""Where `make image` lays what it says of the image."""
CERTIFICATES = "/etc/ssl/certs"
"""The machine's, so that packages can be had from behind a proxy with an authority of its own."""
DATA_DIR = "/var/lib/stream-app"


def run(*command: str) -> str:
    """What a program prints; its errors stand in the exception's notes. Images are kept in a
    storage of the tests' own: those of whoever runs them stay as they are."""
    storage = CACHE / "storage.conf"
    storage.parent.mkdir(parents=True, exist_ok=True)
    storage.write_text(
        f'[storage]\ndriver = "overlay"\n'
        f'graphroot = "{CACHE / "storage"}"\nrunroot = "{CACHE / "run"}"\n'
    )
    environment = os.environ | {"CONTAINERS_STORAGE_CONF": str(storage)}
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr[-3000:])
        raise
    return done.stdout


def buildah(*arguments: str) -> str:
    return run(needs.tool("buildah"), *arguments).strip()


def make_base() -> None:
    """What python:slim gives, from Debian: `python`, pip and venv, and nothing that forbids pip."""
    if BASE in buildah("images", "--format", "{{.Name}}").splitlines():
        return
    archive = CACHE / "debian.tar"
    packages = "python3,python3-venv,python3-pip,ca-certificates,passwd"
    run(
        needs.tool("mmdebstrap"), "--quiet", "--variant=minbase", f"--include={packages}",
        RELEASE, str(archive),
    )  # fmt: skip
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(archive), "/")
    archive.unlink()
    prepare = "ln -s python3 /usr/bin/python; rm -f /usr/lib/python3*/EXTERNALLY-MANAGED"
    buildah("run", "--isolation", "chroot", container, "sh", "-c", prepare)
    buildah("commit", "--quiet", "--rm", container, BASE)


def build() -> None:
    """As `make image` does. Steps whose files did not change come from the cache."""
    make_base()
    run(
        str(ROOT / "deploy/image/build"), needs.tool("buildah"), BASE,
        "--layers", "--isolation", "chroot", "--network", "host",
        "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro",
    )  # fmt: skip


def image() -> str:
    """The id of what was built."""
    return (BUILT / "id").read_text().strip()


def config() -> dict[str, Any]:
    """What the image says of itself, in the words of the OCI."""
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", image()))
    configured: dict[str, Any] = found["OCIv1"]["config"]
    return configured


@contextmanager
def mounted() -> Iterator[Path]:
    """The image's files."""
    container = buildah("from", image())
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("rm", container)


def specification(
    files: Path,
    volume: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    memory: int,
) -> dict[str, Any]:
    """A container as restricted as deploy/kubernetes has it: the image's user, no capability, a
    root that can't be written, a small tmpfs, the volume, and a limit of MiB of memory. It shares
    the host's network."""
    image = config()
    user, group = (int(part) for part in image["User"].split(":"))
    given = [*image["Env"], "HOME=/home/app", *(f"{k}={v}" for k, v in environment.items())]
    options = ["nosuid", "nodev"]
    return {
        "ociVersion": "1.0.0",
        "root": {"path": str(files), "readonly": True},
        "process": {
            "user": {"uid": user, "gid": group},
            "args": [*image["Entrypoint"], *(arguments or image["Cmd"])],
            "env": given,
            "cwd": image["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": {
                kind: [] for kind in ("bounding", "effective", "permitted", "inheritable")
            },
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": options[:1]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": [*options, "noexec", "mode=1777", "size=64m"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
             "options": [*options, "mode=1777", "size=64m"]},
            {"destination": DATA_DIR, "type": "bind", "source": str(volume), "options": ["rbind"]},
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "resources": {"memory": {"limit": memory << 20}},
        },
    }  # fmt: skip


@contextmanager
def container(
    files: Path, folder: Path, memory: int, *arguments: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """One that runs; ended as Kubernetes ends it, by SIGTERM."""
    name, bundle = f"stream-app-{uuid4().hex[:12]}", folder / "bundle"
    volume = folder / "volume"
    volume.mkdir(parents=True)
    os.chown(volume, 10001, 10001)
    bundle.mkdir()
    asked = specification(files, volume, arguments, environment, memory)
    (bundle / "config.json").write_text(json.dumps(asked))
    runc = needs.tool("runc")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [runc, "run", "--bundle", str(bundle), name], stdout=log, stderr=log, text=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()  # runc passes it on
            try:
                process.wait(40)
            finally:
                subprocess.run([runc, "delete", "--force", name], capture_output=True, check=False)
                shutil.rmtree(bundle)
