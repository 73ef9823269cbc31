"""deploy/gpu as data: what it lays over docker-compose.yml and the StatefulSet."""

import copy
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import msgspec
import pytest
import yaml

from stream_app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
KNOWN = {PREFIX + field.name.upper() for field in msgspec.structs.fields(Settings)}
Object = dict[str, Any]


def read(name: str) -> Object:
    loaded: Object = yaml.safe_load((ROOT / "deploy" / name).read_text())
    return loaded


def merged(base: Any, patch: Any) -> Any:
    """As kubectl merges: objects by field, containers and variables by name."""
    if isinstance(base, dict):
        return base | {k: merged(base[k], v) if k in base else v for k, v in patch.items()}
    if isinstance(base, list):
        named = {each["name"]: each for each in base}
        return list(merged(named, {each["name"]: each for each in patch}).values())
    return patch


@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_kubernetes_accepts_the_patched_worker(version: str) -> None:
    text = (ROOT / "deploy" / "kubernetes" / "worker.yaml").read_text()
    (base,) = (o for o in yaml.safe_load_all(text) if o["kind"] == "StatefulSet")
    patched = merged(copy.deepcopy(base), read("gpu/worker-patch.yaml"))
    kubernetes_validate.validate(patched, version, strict=True)
    (was,) = base["spec"]["template"]["spec"]["containers"]
    (worker,) = patched["spec"]["template"]["spec"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert worker["image"] == was["image"] + "-gpu"
    names = [entry["name"] for entry in worker["env"]]
    assert set(names) >= {entry["name"] for entry in was["env"]} and set(names) <= KNOWN
    assert len(names) == len(set(names))
    assert {**worker, "env": 0, "resources": 0, "image": 0} == {
        **was, "env": 0, "resources": 0, "image": 0,
    }  # fmt: skip


def test_compose_changes_the_worker_alone_and_gives_it_a_card() -> None:
    laid = read("gpu/compose.yaml")
    assert set(laid) == {"services"} and set(laid["services"]) == {"worker"}
    worker = laid["services"]["worker"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    variables = worker["environment"]
    assert {name for name in variables if name.startswith(PREFIX)} <= KNOWN
    (volume,) = worker["volumes"]
    assert volume.endswith(f":{variables['STREAM_APP_BUNDLE']}:ro")


def test_the_image_is_built_with_what_is_locked_for_a_card() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    (default,) = re.findall(r'^ARG REQUIREMENTS="([\w ]+)"$', dockerfile, re.MULTILINE)
    built = read("gpu/compose.yaml")["services"]["worker"]["build"]["args"]["REQUIREMENTS"]
    for name in (*default.split(), *built.split()):
        assert (ROOT / "requirements" / f"{name}.txt").exists()
    asked = f'REQUIREMENTS="{built}"'
    assert asked in (ROOT / "deploy/gpu/worker-patch.yaml").read_text()
