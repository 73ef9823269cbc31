"""Topics and rights as Strimzi's operators take them: KafkaTopic and KafkaUser, version v1.

Fields are those of Strimzi's custom resource definitions (since 0.49). What is printed is JSON,
which `kubectl apply -f -` takes as it takes YAML.
"""

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from stream_app.messages.topics import layout
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.commands.access import Acl

API_VERSION = "kafka.strimzi.io/v1"
Object = dict[str, Any]


def topics(settings: Settings, cluster: str) -> list[Object]:
    """A KafkaTopic for every topic and changelog of the settings, with its broker settings."""
    return [
        _resource("KafkaTopic", name, cluster)
        | {
            "spec": {
                **_real_name(name, "topicName"),
                "partitions": settings.partitions,
                "replicas": settings.replication,
                "config": configs,
            }
        }
        for name, configs in layout(settings).items()
    ]


def user(settings: Settings, rights: Iterable["Acl"], principal: str, cluster: str) -> Object:
    """The KafkaUser of a principal with these rights; raises ClickException.

    Strimzi's user of a certificate is `User:CN=name` to Kafka, and one with a password `User:name`.
    """
    name = principal.removeprefix("User:").removeprefix("CN=")
    operations: dict[tuple[str, str], list[str]] = {}
    for acl in rights:
        operations.setdefault((acl.resource, acl.name), []).append(acl.operation)
    return _resource("KafkaUser", name, cluster) | {
        "spec": {
            **_real_name(name, "userName"),
            "authentication": {"type": _authentication(settings)},
            "authorization": {
                "type": "simple",
                "acls": [
                    {
                        "resource": {"type": resource, "name": named, "patternType": "literal"},
                        "operations": allowed,
                    }
                    for (resource, named), allowed in operations.items()
                ],
            },
        }
    }


def printed(found: list[Object]) -> str:
    """One object, or a list of them."""
    whole = found[0] if len(found) == 1 else {"apiVersion": "v1", "kind": "List", "items": found}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _authentication(settings: Settings) -> str:
    if settings.security == "SSL":
        return "tls"
    if settings.sasl_mechanism != "SCRAM-SHA-512":
        raise click.ClickException(
            f"Strimzi's users have no {settings.sasl_mechanism}: "
            "set STREAM_APP_SASL_MECHANISM=SCRAM-SHA-512"
        )
    return "scram-sha-512"


def _resource(kind: str, name: str, cluster: str) -> Object:
    metadata = {"name": _allowed(name), "labels": {"strimzi.io/cluster": cluster}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata}


def _real_name(name: str, field: str) -> dict[str, str]:
    """Said only where Kubernetes does not allow it as an object's name."""
    return {} if _allowed(name) == name else {field: name}


def _allowed(name: str) -> str:
    """A name of Kubernetes' objects: lower case letters, digits, `-` and `.`."""
    return re.sub(r"[^a-z0-9.-]", "-", name.lower()).strip(".-")
