"""deploy/kubernetes as data: there is no cluster where the tests run.

Kubernetes' own schemas come with kubernetes-validate, KEDA's with its models in cloudcoil.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import msgspec
import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from pydantic import BaseModel

from stream_app import settings as settings_module
from stream_app.messages.topics import BY_NAME, TOPICS, full_name
from stream_app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.29", "1.33")
"""From the one on that has every field used to a recent one."""
KEDA: dict[str, type[BaseModel]] = {
    "ScaledObject": keda.ScaledObjectSpec,
    "TriggerAuthentication": keda.TriggerAuthenticationSpec,
}
SASL = {"PLAIN": "plaintext", "SCRAM-SHA-256": "scram_sha256", "SCRAM-SHA-512": "scram_sha512"}
Object = dict[str, Any]


def objects() -> list[Object]:
    return [
        found
        for file in sorted(FOLDER.glob("*.yaml"))
        for found in yaml.safe_load_all(file.read_text())
    ]


def one(kind: str) -> Object:
    (found,) = (each for each in objects() if each["kind"] == kind)
    return found


def pods() -> Iterator[Object]:
    for kind in ("Job", "StatefulSet"):
        yield one(kind)["spec"]["template"]["spec"]


def containers() -> Iterator[Object]:
    for pod in pods():
        yield from pod["containers"]


def worker() -> Object:
    container: Object
    (container,) = one("StatefulSet")["spec"]["template"]["spec"]["containers"]
    return container


def environment(container: Object) -> dict[str, str]:
    """As the container has it, Secrets filled in."""
    assert container["envFrom"] == [
        {"configMapRef": {"name": one("ConfigMap")["metadata"]["name"]}}
    ]
    secret = {entry["name"]: "a-secret-of-16-letters" for entry in container["env"]}
    data: dict[str, str] = one("ConfigMap")["data"]
    return data | secret


def loaded() -> Settings:
    return settings_module.load(environ=environment(worker()))


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_every_object(version: str) -> None:
    own = [found for found in objects() if found["kind"] not in KEDA]
    assert {found["kind"] for found in own} == {
        "ConfigMap", "Job", "PodDisruptionBudget", "Service", "StatefulSet",
    }  # fmt: skip
    for found in own:
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("kind", KEDA)
def test_keda_accepts_its_objects_and_knows_all_of_each(kind: str) -> None:
    found = one(kind)
    assert found["apiVersion"] == "keda.sh/v1alpha1" and set(found) == {
        "apiVersion", "kind", "metadata", "spec",
    }  # fmt: skip
    spec = KEDA[kind].model_validate(found["spec"])
    assert spec.model_dump(mode="json", by_alias=True, exclude_unset=True) == found["spec"]


def test_keda_starts_workers_for_what_the_table_of_topics_says() -> None:
    found = {
        trigger["metadata"]["topic"]: int(trigger["metadata"]["lagThreshold"])
        for trigger in one("ScaledObject")["spec"]["triggers"]
    }
    wanted = {topic.name: topic.worker_for for topic in TOPICS if topic.worker_for is not None}
    assert found == wanted


def test_a_misspelt_field_is_noticed() -> None:
    found = one("StatefulSet")
    found["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, VERSIONS[0], strict=True)
    spec = one("ScaledObject")["spec"] | {"maxReplicas": 3}
    dumped = keda.ScaledObjectSpec.model_validate(spec).model_dump(
        by_alias=True, exclude_unset=True
    )
    assert dumped != spec


def test_settings_exist_and_load() -> None:
    known = {PREFIX + field.name.upper() for field in msgspec.structs.fields(Settings)}
    for container in containers():
        assert set(environment(container)) <= known
        assert settings_module.load(environ=environment(container)).security == "SASL_SSL"


def test_secrets_come_from_the_secret_and_stand_in_no_file() -> None:
    secrets = {PREFIX + name.upper() for name in settings_module.SECRETS}
    assert not secrets & set(one("ConfigMap")["data"])
    wanted = {
        "ca.crt",
        *(ref["key"] for ref in one("TriggerAuthentication")["spec"]["secretTargetRef"]),
    }
    for container in containers():
        for entry in container["env"]:
            assert entry["valueFrom"]["secretKeyRef"]["name"] == "stream-app"
            wanted.add(entry["valueFrom"]["secretKeyRef"]["key"])
    # The command that makes the Secret makes every key.
    command = (FOLDER / "settings.yaml").read_text().split("apiVersion")[0]
    for key in wanted:
        assert f"--from-literal={key}=" in command or f"--from-file={key}" in command, key


def test_commands_exist() -> None:
    main = importlib.import_module("stream_app.commands.main").main
    for container in containers():
        command: click.Command = main
        for verb in container["args"]:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), verb)
            assert found is not None, verb
            command = found


def test_one_image_and_its_user() -> None:
    assert len({container["image"] for container in containers()}) == 1
    dockerfile = (ROOT / "Dockerfile").read_text()
    for pod in pods():
        assert f"--uid {pod['securityContext']['runAsUser']} app" in dockerfile
    version = next(iter(containers()))["image"].rsplit(":", 1)[1]
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()


def test_ports_agree() -> None:
    port = loaded().http_port
    (published,) = worker()["ports"]
    assert published["containerPort"] == port
    (served,) = one("Service")["spec"]["ports"]
    assert (served["port"], served["targetPort"]) == (port, published["name"])
    for probe in ("startupProbe", "livenessProbe"):
        assert worker()[probe]["httpGet"] == {"path": "/health/live", "port": published["name"]}
    assert "/health/ready" in worker()["readinessProbe"]["exec"]["command"][-1]
    compile(worker()["readinessProbe"]["exec"]["command"][-1], "readiness", "exec")


def test_tables_have_a_volume_of_each_worker() -> None:
    (claim,) = one("StatefulSet")["spec"]["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in worker()["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == loaded().data_dir
    assert Path(loaded().ssl_cafile).parent == Path(mounts["authority"])


def test_a_worker_has_time_to_stop_and_a_thread_a_core() -> None:
    grace = one("StatefulSet")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > loaded().stop_seconds + 5
    assert worker()["resources"]["requests"]["cpu"] == str(loaded().threads)


def test_selectors_find_the_workers_alone() -> None:
    labels = one("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert one("StatefulSet")["spec"]["selector"]["matchLabels"] == labels
    assert one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert one("Service")["spec"]["selector"] == labels
    assert one("Job")["spec"]["template"]["metadata"]["labels"] != labels


def test_workers_scale_by_the_lag_of_their_group_up_to_the_partitions() -> None:
    spec, settings = one("ScaledObject")["spec"], loaded()
    target = one("StatefulSet")
    assert spec["scaleTargetRef"] == {"kind": "StatefulSet", "name": target["metadata"]["name"]}
    assert "replicas" not in target["spec"]
    assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= settings.partitions
    authentication = one("TriggerAuthentication")["metadata"]["name"]
    for trigger in spec["triggers"]:
        assert (trigger["type"], trigger["authenticationRef"]) == (
            "kafka",
            {"name": authentication},
        )
        given = trigger["metadata"]
        assert given == {
            "bootstrapServers": settings.broker,
            "consumerGroup": settings.app,
            "topic": given["topic"],
            "lagThreshold": given["lagThreshold"],
            "offsetResetPolicy": "earliest",
            "sasl": SASL[settings.sasl_mechanism],
            "tls": "enable",
            "version": given["version"],
        }
        assert int(given["lagThreshold"]) > 0
    topics = [trigger["metadata"]["topic"] for trigger in spec["triggers"]]
    assert topics == [full_name(settings, BY_NAME[name].name) for name in ("reviews", "analyses")]
