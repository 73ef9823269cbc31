"""deploy/kubernetes as data: there is no cluster where the tests run.

Kubernetes' own schemas come with kubernetes-validate, KEDA's with its models in cloudcoil.
"""

import importlib
import json
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


def one(kind: str, name: str = "") -> Object:
    (found,) = (
        each
        for each in objects()
        if each["kind"] == kind and name in ("", each["metadata"]["name"])
    )
    return found


def templates() -> Iterator[Object]:
    for kind in ("Job", "StatefulSet", "Deployment"):
        template: Object = one(kind)["spec"]["template"]
        yield template


def pods() -> Iterator[Object]:
    for template in templates():
        yield template["spec"]


def containers() -> Iterator[Object]:
    for pod in pods():
        yield from pod["containers"]


def worker() -> Object:
    container: Object
    (container,) = one("StatefulSet")["spec"]["template"]["spec"]["containers"]
    return container


def dashboard() -> Object:
    container: Object
    (container,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
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
        "ConfigMap", "Deployment", "Job", "NetworkPolicy", "PodDisruptionBudget", "Service",
        "StatefulSet",
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
    (served,) = one("Service", "stream-app")["spec"]["ports"]
    assert (served["port"], served["targetPort"]) == (port, published["name"])
    for probe in ("startupProbe", "livenessProbe"):
        assert worker()[probe]["httpGet"] == {"path": "/health/live", "port": published["name"]}
    assert "/health/ready" in worker()["readinessProbe"]["exec"]["command"][-1]
    compile(worker()["readinessProbe"]["exec"]["command"][-1], "readiness", "exec")
    (page,) = dashboard()["ports"]
    assert page["containerPort"] == loaded().dashboard_port
    (served,) = one("Service", "stream-app-dashboard")["spec"]["ports"]
    assert (served["port"], served["targetPort"]) == (page["containerPort"], page["name"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert dashboard()[probe]["tcpSocket"] == {"port": page["name"]}


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
    assert one("Service", "stream-app")["spec"]["selector"] == labels
    assert one("Job")["spec"]["template"]["metadata"]["labels"] != labels
    page = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert page != labels and one("Deployment")["spec"]["selector"]["matchLabels"] == page
    assert one("Service", "stream-app-dashboard")["spec"]["selector"] == page


def test_no_container_may_do_more_than_run() -> None:
    """What Kubernetes calls the restricted standard, and a root that can't be written."""
    for pod in pods():
        assert pod["automountServiceAccountToken"] is False
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] == context["runAsGroup"]
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            written = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert "/tmp" in written
        for volume in pod["volumes"]:
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"]


def test_every_pod_is_under_the_policy_and_reaches_names_and_the_broker_alone() -> None:
    spec = one("NetworkPolicy", "stream-app")["spec"]
    (selector,) = spec["podSelector"]["matchExpressions"]
    labels = {each["metadata"]["labels"]["app.kubernetes.io/name"] for each in templates()}
    assert selector["operator"] == "In" and set(selector["values"]) == labels
    assert spec["policyTypes"] == ["Ingress", "Egress"] and "ingress" not in spec
    dns, kafka = spec["egress"]
    assert [rule["port"] for rule in dns["ports"]] == [53, 53]
    host, port = loaded().broker.split(":")
    assert kafka["ports"] == [{"protocol": "TCP", "port": int(port)}]
    (to,) = kafka["to"]
    namespace = to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert host.split(".")[1] == namespace


def test_each_page_is_reached_from_one_namespace_and_by_its_port_alone() -> None:
    for name, container in (
        ("stream-app-metrics", worker()),
        ("stream-app-dashboard", dashboard()),
    ):
        spec = one("NetworkPolicy", name)["spec"]
        (rule,) = spec["ingress"]
        assert [found["port"] for found in rule["ports"]] == [container["ports"][0]["name"]]
        assert len(rule["from"]) == 1 and set(rule["from"][0]) == {"namespaceSelector"}
        of = "Deployment" if container["name"] == "dashboard" else "StatefulSet"
        labels = one(of)["spec"]["template"]["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"] == labels


def test_memory_is_what_was_measured_and_some() -> None:
    """The request holds the largest worker of bench/results/scale.json and half as much again."""
    parts = json.loads((ROOT / "bench/results/scale.json").read_text())["parts"]
    largest = max(
        value
        for name in ("recovery", "items")
        for row in parts[name]
        for field, value in row.items()
        if field.startswith("rss_mib")
    )
    resources = worker()["resources"]
    assert mebibytes(resources["requests"]["memory"]) >= 1.5 * largest
    assert mebibytes(resources["limits"]["memory"]) >= 3 * largest
    for container in containers():
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert set(container["resources"]["limits"]) == {"memory"}


def mebibytes(quantity: str) -> int:
    return int(quantity[:-2]) * {"Mi": 1, "Gi": 1024}[quantity[-2:]]


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


def test_no_service_of_the_namespace_becomes_a_setting() -> None:
    """A Service named stream-app-dashboard would give every pod a STREAM_APP_DASHBOARD_PORT of
    `tcp://…`, which is no port, and variables that are no settings."""
    with pytest.raises(settings_module.SettingsError):
        settings_module.load(environ={"STREAM_APP_DASHBOARD_PORT": "tcp://10.0.0.1:8080"})
    assert [pod for pod in pods() if pod.get("enableServiceLinks") is not False] == []
    for file in sorted((ROOT / "deploy" / "helm").rglob("templates/*.yaml")):
        text = file.read_text()
        assert text.count("enableServiceLinks: false") == text.count("containers:"), file
