"""The image, built and run: an ordinary user, a root that can't be written, no capability."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_app.broker import Broker
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.broker.process import free_ports
from stream_app.settings import PREFIX
from tests import needs
from tests.deploy import containers
from tests.deploy.test_kubernetes import mebibytes, one

pytestmark = [pytest.mark.package, pytest.mark.slow, pytest.mark.timeout(1800)]
TOKEN = "8d1c0f6f0a1f4c0db6f0c6a2a8f7f3f0e5"


@pytest.fixture(scope="module")
def files() -> Iterator[Path]:
    containers.build()
    with containers.mounted() as files:
        yield files


def status(url: str) -> int:
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_for(url: str, process: subprocess.Popen[str], folder: Path, seconds: float = 90) -> None:
    """Until a page answers well; the container's log is what a failure shows."""
    until = time.monotonic() + seconds
    while status(url) != 200:
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until, (folder / "log").read_text()
        time.sleep(0.2)


def limit(kind: str) -> int:
    """MiB that the manifest gives."""
    (container,) = one(kind)["spec"]["template"]["spec"]["containers"]
    return mebibytes(container["resources"]["limits"]["memory"])


def settings(broker: Broker, port: int, **more: str) -> dict[str, str]:
    given = {
        "BROKER": broker.bootstrap, "PREFIX": f"image-{port}-", "APP": f"image-{port}",
        "PARTITIONS": "2", "HTTP_PORT": str(port), "HTTP_TOKEN": TOKEN, **more,
    }  # fmt: skip
    return {PREFIX + name: value for name, value in given.items()}


def test_what_the_image_says_of_itself(files: Path) -> None:
    config = containers.config()
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["stream-app"] and config["Cmd"] == ["worker"]
    assert list(config["Volumes"]) == [containers.DATA_DIR] == [config["WorkingDir"]]


def test_what_is_not_needed_is_not_there(files: Path) -> None:
    """No source, no tool that installs packages, no setuid added to the base."""
    assert not (files / "src").exists() and not (files / "opt/wheel").exists()
    site = next(files.glob("opt/stream-app/lib/python3*/site-packages"))
    assert not (site / "pip").exists() and not (site / "hatchling").exists()
    assert not [
        found for found in (files / "opt").rglob("*") if found.lstat().st_mode & 0o6000
    ]  # fmt: skip


def test_the_build_says_what_it_made_and_of_what(files: Path) -> None:
    stated = json.loads((containers.BUILT / "provenance.json").read_text())
    (subject,) = stated["subject"]
    assert "sha256:" + subject["digest"]["sha256"] == containers.image()
    bill = (containers.BUILT / "sbom.cdx.json").read_bytes()
    assert bill == (files / "opt/stream-app/sbom.cdx.json").read_bytes()
    labels = containers.config()["Labels"]
    assert labels["org.opencontainers.image.base.name"] == containers.BASE
    revision = labels["org.opencontainers.image.revision"]
    assert revision in json.dumps(stated) and subject["name"].endswith(
        labels["org.opencontainers.image.version"]
    )


def test_the_bill_of_materials_holds_what_is_installed(files: Path) -> None:
    bill = json.loads((files / "opt/stream-app/sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "stream-app"
    site = next(files.glob("opt/stream-app/lib/python3*/site-packages"))
    installed = {
        line.split(": ", 1)[1].lower().replace("_", "-")
        for found in site.glob("*.dist-info/METADATA")
        for line in found.read_text().splitlines()
        if line.startswith("Name: ")
    }
    listed = {part["name"].lower().replace("_", "-") for part in bill["components"]}
    assert installed - listed <= {"stream-app"}
    assert {"nicegui", "opentelemetry-sdk", "onnxruntime-gpu"} <= listed


def test_a_worker_and_a_dashboard_run(files: Path, any_broker: Broker, tmp_path: Path) -> None:
    """Topics, then both beside each other: their pages answer, and SIGTERM ends them well."""
    made = ("topics", "create")
    embedded = isinstance(any_broker, EmbeddedBroker)
    port, page = free_ports(2)
    given = settings(any_broker, port, IDEMPOTENT=str(not embedded).lower())
    with containers.container(files, tmp_path / "topics", limit("Job"), *made, **given) as topics:
        assert topics.wait(120) == 0, (tmp_path / "topics/log").read_text()
    with containers.container(files, tmp_path / "worker", limit("StatefulSet"), **given) as worker:
        wait_for(f"http://127.0.0.1:{port}/health/ready", worker, tmp_path / "worker")
        shown = given | {"STREAM_APP_DASHBOARD_PORT": str(page)}
        with containers.container(
            files, tmp_path / "page", limit("Deployment"), "dashboard", **shown
        ) as dashboard:
            wait_for(f"http://127.0.0.1:{page}/", dashboard, tmp_path / "page")
        assert dashboard.returncode == 0, (tmp_path / "page/log").read_text()
    assert worker.returncode == 0, (tmp_path / "worker/log").read_text()
    for name in ("worker", "page"):
        assert "Read-only file system" not in (tmp_path / name / "log").read_text()
    assert list((tmp_path / "worker/volume").iterdir())


def test_the_root_cannot_be_written(files: Path, tmp_path: Path) -> None:
    """The containers above are what they are said to be."""
    volume = tmp_path / "volume"
    volume.mkdir()
    probe = (
        "import os, pathlib\n"
        "assert os.getuid() == 10001\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "assert 'CapEff:\\t0000000000000000' in status and 'NoNewPrivs:\\t1' in status\n"
        "pathlib.Path('/tmp/here').write_text('a tmpfs')\n"
        "try: pathlib.Path('/opt/stream-app/here').write_text('')\n"
        "except OSError as error: print(error.strerror)\n"
    )
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    asked = containers.specification(files, volume, ["worker"], {}, 256)
    asked["process"]["args"] = ["python", "-c", probe]
    (bundle / "config.json").write_text(json.dumps(asked))
    done = containers.run(needs.tool("runc"), "run", "--bundle", str(bundle), "stream-app-probe")
    assert done == "Read-only file system\n"
