"""The chart: it makes what deploy/kubernetes holds, which is tested field by field beside this."""

import copy
import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests import needs
from tests.deploy import test_kubernetes
from tests.deploy.test_kubernetes import KEDA, VERSIONS, objects

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "stream-app"
Object = dict[str, Any]


def helm(*arguments: str) -> str:
    """What helm prints; its errors are the failure's message."""
    done = subprocess.run(
        [needs.tool("helm"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rendered(*arguments: str, version: str = VERSIONS[-1]) -> list[Object]:
    text = helm("template", "stream-app", str(CHART), "--kube-version", version, *arguments)
    return [found for found in yaml.safe_load_all(text) if found]


def substance(found: Object) -> Object:
    """Without what only helm adds: its labels, and the revision in a Job's name."""
    own = copy.deepcopy(found)
    own["metadata"].pop("labels", None)
    if own["kind"] == "Job":
        own["metadata"]["name"] = own["metadata"]["name"].removesuffix("-1")
    if own["kind"] == "ScaledObject":
        own["spec"]["triggers"].sort(key=lambda trigger: trigger["metadata"]["topic"])
    return own


def by_name(found: list[Object]) -> dict[tuple[str, str], Object]:
    each = [substance(one) for one in found]
    named = {(one["kind"], one["metadata"]["name"]): one for one in each}
    assert len(named) == len(each)
    return named


def test_it_makes_what_the_manifests_hold() -> None:
    assert by_name(rendered()) == by_name(objects())


def test_helm_finds_no_fault() -> None:
    helm("lint", "--strict", str(CHART), "--kube-version", VERSIONS[-1])


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_what_it_makes_with_everything_changed(version: str) -> None:
    values = {
        "image.digest": "sha256:" + "0" * 64,
        "secret": "other",
        "settings.STREAM_APP_PREFIX": "shop-",
        "settings.STREAM_APP_HTTP_PORT": "9200",
        "settings.STREAM_APP_BROKER": r"one.kafka.svc:9094\,two.kafka.svc:9094",
    }
    egress = [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]
    found = rendered(
        "--set-json", f"network.egress={json.dumps(egress)}",
        *(part for name, value in values.items() for part in ("--set-string", f"{name}={value}")),
        "--set", "worker.replicas=3,autoscaling.enabled=false", version=version,
    )  # fmt: skip
    for one in found:
        assert one["kind"] not in KEDA
        kubernetes_validate.validate(one, version, strict=True)
    named = by_name(found)
    worker = named["StatefulSet", "stream-app"]["spec"]
    assert worker["replicas"] == 3
    (container,) = worker["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/stream-app@sha256:" + "0" * 64
    assert {entry["valueFrom"]["secretKeyRef"]["name"] for entry in container["env"]} == {"other"}
    assert container["ports"] == [{"name": "http", "containerPort": 9200}]
    _, kafka, more = named["NetworkPolicy", "stream-app"]["spec"]["egress"]
    assert kafka["ports"] == [{"protocol": "TCP", "port": 9094}] and [more] == egress


@pytest.mark.parametrize(
    ("switch", "kinds"),
    [
        ("topics.enabled", {"Job"}),
        ("dashboard.enabled", {"Deployment"}),
        ("network.enabled", {"NetworkPolicy"}),
        ("autoscaling.enabled", set(KEDA)),
    ],
)
def test_a_part_can_be_left_out(switch: str, kinds: set[str]) -> None:
    every = {found["kind"] for found in rendered()}
    assert every - {found["kind"] for found in rendered("--set", f"{switch}=false")} == kinds


def test_two_releases_share_a_namespace() -> None:
    text = helm("template", "second", str(CHART), "--kube-version", VERSIONS[-1])
    first = {(found["kind"], found["metadata"]["name"]) for found in rendered()}
    second = [found for found in yaml.safe_load_all(text) if found]
    assert not first & {(found["kind"], found["metadata"]["name"]) for found in second}
    for found in second:
        if found["kind"] in ("Deployment", "StatefulSet"):
            labels = found["spec"]["template"]["metadata"]["labels"]
            assert labels["app.kubernetes.io/name"].startswith("second")


def test_a_misspelt_value_is_refused() -> None:
    done = subprocess.run(
        [needs.tool("helm"), "template", "stream-app", str(CHART), "--kube-version", "1.33",
         "--set", "dashbord.enabled=false"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode and "dashbord" in done.stderr


def test_its_version_is_the_projects() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((test_kubernetes.ROOT / "pyproject.toml").read_text())
    assert chart["version"] == chart["appVersion"] == project["project"]["version"]
