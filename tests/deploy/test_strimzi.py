"""What is printed for Strimzi: what its definitions (v1) allow, and what the table says."""

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from stream_app.commands.access import COMPONENTS, acls
from stream_app.commands.main import main
from stream_app.messages.topics import layout
from stream_app.settings import PREFIX, Settings

Object = dict[str, Any]
TEXT = {"type": "string", "minLength": 1}


def closed(required: tuple[str, ...], **properties: Object) -> Object:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


SPECS = {
    "KafkaTopic": closed(
        ("partitions", "replicas"),
        topicName=TEXT,
        partitions={"type": "integer", "minimum": 1},
        replicas={"type": "integer", "minimum": 1, "maximum": 32767},
        config={"type": "object", "additionalProperties": {"type": ["string", "number"]}},
    ),
    "KafkaUser": closed(
        ("authentication", "authorization"),
        userName=TEXT,
        authentication=closed(("type",), type={"enum": ["tls", "tls-external", "scram-sha-512"]}),
        authorization=closed(
            ("acls", "type"),
            type={"const": "simple"},
            acls={
                "type": "array",
                "items": closed(
                    ("resource", "operations"),
                    type={"enum": ["allow", "deny"]},
                    host=TEXT,
                    resource=closed(
                        ("type",),
                        type={"enum": ["topic", "group", "cluster", "transactionalId"]},
                        name=TEXT,
                        patternType={"enum": ["literal", "prefix"]},
                    ),
                    operations={
                        "type": "array",
                        "items": {"enum": ["Read", "Write", "Create", "Delete", "Describe"]},
                    },
                ),
            },
        ),
    ),
}
"""The parts of Strimzi's definitions that we use, closed: an unknown field is pruned by Kubernetes
without a word."""
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def printed(*arguments: str, **settings: str) -> list[Object]:
    environment = {PREFIX + name.upper(): value for name, value in settings.items()}
    done = CliRunner().invoke(main, list(arguments), env=environment)
    assert done.exit_code == 0, done.output
    found: Object = json.loads(done.output)
    assert yaml.safe_load(done.output) == found, "kubectl reads YAML"
    return found["items"] if found["kind"] == "List" else [found]


def checked(found: Object, kind: str) -> Object:
    assert found["apiVersion"] == "kafka.strimzi.io/v1" and found["kind"] == kind
    assert NAME.fullmatch(found["metadata"]["name"]) and len(found["metadata"]["name"]) <= 253
    assert found["metadata"]["labels"] == {"strimzi.io/cluster": "reviews"}
    jsonschema.validate(found["spec"], SPECS[kind])
    spec: Object = found["spec"]
    return spec


@pytest.mark.parametrize("prefix", ["", "shop.", "Shop_EU."])
def test_every_topic_is_printed_as_create_makes_it(prefix: str) -> None:
    settings = Settings(prefix=prefix, partitions=24, replication=3)
    found = printed("topics", "strimzi", "--cluster", "reviews", prefix=prefix, partitions="24",
                    replication="3")  # fmt: skip
    made = {}
    for topic in found:
        spec = checked(topic, "KafkaTopic")
        assert (spec["partitions"], spec["replicas"]) == (24, 3)
        made[spec.get("topicName", topic["metadata"]["name"])] = spec["config"]
    assert made == layout(settings)
    assert len({topic["metadata"]["name"] for topic in found}) == len(found)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_users_rights_are_the_components(component: str) -> None:
    (found,) = printed(
        "acls", component, "--principal", f"User:{component}", "--strimzi", "reviews"
    )
    spec = checked(found, "KafkaUser")
    assert found["metadata"]["name"] == component and "userName" not in spec
    given = {
        (operation, rule["resource"]["type"], rule["resource"]["name"])
        for rule in spec["authorization"]["acls"]
        for operation in rule["operations"]
    }
    assert given == {tuple(acl) for acl in acls(Settings(), component)}  # type: ignore[arg-type]
    assert {rule["resource"]["patternType"] for rule in spec["authorization"]["acls"]} == {
        "literal"
    }


def test_a_user_logs_in_as_the_settings_say() -> None:
    arguments = ("acls", "worker", "--principal", "User:CN=Worker_1", "--strimzi", "reviews")
    (found,) = printed(*arguments, security="SSL")
    spec = checked(found, "KafkaUser")
    assert spec["authentication"] == {"type": "tls"}
    assert (found["metadata"]["name"], spec["userName"]) == ("worker-1", "Worker_1")
    refused = CliRunner().invoke(
        main, list(arguments), env={"STREAM_APP_SECURITY": "SASL_SSL",
                                    "STREAM_APP_SASL_MECHANISM": "PLAIN"},
    )  # fmt: skip
    assert refused.exit_code == 1 and "SCRAM-SHA-512" in refused.output
