"""docker-compose.yml as data: there may be no container engine where the tests run."""

import importlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import yaml

from stream_app.broker.kafka import PROPERTIES, VERSION
from stream_app.ops.guard import LOOPBACK, for_host, is_loopback
from stream_app.settings import PREFIX, Settings, SettingsError, load
from tests import needs

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"

OURS = ("topics", "worker", "dashboard")
"""Services of the project's own image."""

# Where the broker is, not how it behaves.
PLACE = {
    "node.id",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "inter.broker.listener.name",
    "controller.quorum.voters",
    "log.dirs",
}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    loaded = yaml.safe_load(FILE.read_text())
    assert set(loaded) == {"services", "volumes", "secrets", "x-restricted"}
    services: dict[str, dict[str, Any]] = loaded["services"]
    return services


def test_kafka_is_the_version_the_tests_run(services: dict[str, dict[str, Any]]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{VERSION}"


def test_kafka_has_the_settings_the_tests_run_with(services: dict[str, dict[str, Any]]) -> None:
    environment = services["kafka"]["environment"]
    given = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment.items()
    }
    assert {name: value for name, value in given.items() if name not in PLACE} == PROPERTIES
    assert set(given) >= PLACE


def test_ports_are_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == [f"127.0.0.1:{port}:{port}" for port in (9092, 8080, 9090, 3000)]


def test_listeners_agree(services: dict[str, dict[str, Any]]) -> None:
    environment = services["kafka"]["environment"]
    names = {
        key: set(re.findall(r"(\w+):(?=//|PLAINTEXT)", environment[f"KAFKA_{key}"]))
        for key in ("LISTENERS", "ADVERTISED_LISTENERS", "LISTENER_SECURITY_PROTOCOL_MAP")
    }
    assert names["LISTENERS"] == names["LISTENER_SECURITY_PROTOCOL_MAP"]
    assert names["ADVERTISED_LISTENERS"] == names["LISTENERS"] - {"CONTROLLER"}
    inside = services["worker"]["environment"]["STREAM_APP_BROKER"]
    assert f"INTERNAL://{inside}" in environment["KAFKA_ADVERTISED_LISTENERS"]
    assert inside in services["kafka"]["healthcheck"]["test"]


def test_services_start_in_order(services: dict[str, dict[str, Any]]) -> None:
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    done = {"topics": {"condition": "service_completed_successfully"}}
    assert services["worker"]["depends_on"] == services["dashboard"]["depends_on"] == done


def test_the_workers_pages_need_a_token_outside(services: dict[str, dict[str, Any]]) -> None:
    """Compose puts in the variables: pages leave the container only where a token is set."""
    environment = services["worker"]["environment"]
    assert environment["STREAM_APP_HTTP_HOST"] == "${STREAM_APP_HTTP_TOKEN:+0.0.0.0}"
    given = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    without = given | {"STREAM_APP_HTTP_HOST": "", "STREAM_APP_HTTP_TOKEN": ""}
    without |= {"STREAM_APP_PARTITIONS": "4", "STREAM_APP_LOG_FORMAT": "text"}
    settings = load(environ=without)
    assert is_loopback(settings.http_host or LOOPBACK)
    assert f":{settings.http_port}/health/live" in services["worker"]["healthcheck"]["test"][-1]
    outside = without | {"STREAM_APP_HTTP_HOST": "0.0.0.0"}
    with pytest.raises(SettingsError, match="STREAM_APP_HTTP_TOKEN"):
        for_host(load(environ=outside).http_host, "")
    assert for_host(load(environ=outside).http_host, "t" * 32).requires_token


def test_monitoring_is_asked_for(services: dict[str, dict[str, Any]]) -> None:
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["monitoring"]
        for volume in services[name]["volumes"]:
            here = volume.split(":")[0]
            assert not here.startswith(".") or (ROOT / here).is_dir(), f"{name}: no {here}"
    assert services["prometheus"]["secrets"] == ["http_token"]


def test_workers_scale(services: dict[str, dict[str, Any]]) -> None:
    worker = services["worker"]
    assert not {"container_name", "hostname", "ports"} & set(worker)
    # No name before the path: a volume for each replica.
    assert worker["volumes"] == [worker["environment"]["STREAM_APP_DATA_DIR"]]


def test_settings_exist(services: dict[str, dict[str, Any]]) -> None:
    known = {PREFIX + field.name.upper() for field in msgspec.structs.fields(Settings)}
    for name in OURS:
        assert set(services[name]["environment"]) <= known


def test_commands_exist(services: dict[str, dict[str, Any]]) -> None:
    main = importlib.import_module("stream_app.commands.main").main
    for name in OURS:
        command: click.Command = main
        for verb in services[name]["command"]:
            assert isinstance(command, click.Group), f"{name}: {verb}"
            found = command.get_command(click.Context(command), verb)
            assert found is not None, f"{name}: there is no {verb}"
            command = found
    assert '"worker"' in (ROOT / "Dockerfile").read_text()


def test_the_image_is_built_for_an_ordinary_user() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    stages = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    assert [lines[number] for number in stages] == ["FROM ${BASE} AS build", "FROM ${BASE}"]
    assert any(line.startswith("ARG BASE=docker.io/library/python:3.12-slim") for line in lines)
    assert lines.index("USER 10001:10001") > stages[-1]
    assert not any("pip install" in line for line in lines[stages[-1] :])
    assert 'ENTRYPOINT ["stream-app"]' in lines


def test_our_containers_may_do_no_more_than_run(services: dict[str, dict[str, Any]]) -> None:
    for name in OURS:
        service = services[name]
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp:size=64m"]
        assert not {"privileged", "cap_add", "user", "network_mode"} & set(service)


def test_compose_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip(f"{needs.ENGINE}no docker compose here")
    subprocess.run([docker, "compose", "-f", str(FILE), "config", "-q"], check=True)
