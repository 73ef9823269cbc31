"""The published contracts, generated from the records and the topics.

One JSON Schema (draft 2020-12) for the value of each topic, and one AsyncAPI 3.0 document.
"""

import json
import re
from pathlib import Path
from typing import Any

import click
import msgspec

from stream_app.messages.dead_letter import PREFIX
from stream_app.messages.message import INGEST_TIME
from stream_app.messages.topics import AGENT_NAMES, TOPICS, Topic, configs, full_name
from stream_app.settings import Settings

VERSION = "1.0.0"
"""Of the contracts, not of the package: it changes when a record or a topic does."""
KAFKA_BINDING = "0.5.0"
RECORDS: tuple[type[Any], ...] = tuple(topic.record for topic in TOPICS if topic.record is not None)

Json = dict[str, Any]

TRAVELLING: Json = {
    "type": "object",
    "description": "Travel from an input to every output that it leads to.",
    "properties": {
        "traceparent": {"type": "string", "description": "W3C Trace Context."},
        "tracestate": {"type": "string", "description": "W3C Trace Context."},
    },
    "patternProperties": {
        "^ce_": {"type": "string", "description": "CloudEvents attribute, binary content mode."}
    },
}
ANALYSIS: Json = TRAVELLING | {
    "properties": TRAVELLING["properties"]
    | {
        INGEST_TIME: {
            "description": "Timestamp of the review's message, milliseconds since the epoch.",
            "type": "string",
            "pattern": r"^-?\d+$",
        }
    }
}
ERRORS: dict[str, Json] = {
    "topic": {"description": "Topic of the original message, without the prefix."},
    "partition": {"description": "Partition of the original message.", "pattern": r"^\d+$"},
    "offset": {"description": "Offset of the original message.", "pattern": r"^\d+$"},
    "stage": {"description": "Step that could not process it."},
    "exception.class.name": {"description": "Kind of error."},
    "exception.message": {"description": "Why, by field and position; never repeats contents."},
}
"""Headers of a dead letter, named as Kafka Connect names them."""
HEADERS = {"Analysis": "AnalysisHeaders"}
"""Schemas of headers, by message, where there is more than what travels."""


def documents() -> dict[str, str]:
    """Text of every generated file, by its path under `schemas`."""
    files = {f"json/{slug(kind)}.json": _text(json_schema(kind)) for kind in RECORDS}
    files["asyncapi.json"] = _text(asyncapi(Settings()))
    return files


def slug(kind: type[Any]) -> str:
    """`ItemVector` → `item-vector`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()


def json_schema(kind: type[Any]) -> Json:
    """A self-contained JSON Schema, draft 2020-12; nested records under `$defs`."""
    _, components = msgspec.json.schema_components([kind])
    nested = {name: components[name] for name in sorted(components) if name != kind.__name__}
    schema: Json = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:stream-app:{slug(kind)}",
        **components[kind.__name__],
    }
    return schema | {"$defs": nested} if nested else schema


def asyncapi(settings: Settings) -> Json:
    """The AsyncAPI 3.0 document of a deployment, from the application's point of view."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "stream-app",
            "version": VERSION,
            "description": (
                "Reviews, behaviours and items in; analyses, recommendations, alerts and trends "
                "out. Unknown fields are ignored and new fields are optional; anything else is a "
                "new topic version. Addresses, partitions and retention are the defaults of the "
                "settings."
            ),
            "license": {"name": "MIT"},
            "tags": [{"name": "kafka"}, {"name": "feedback"}],
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": settings.broker,
                "protocol": "kafka",
                "description": "Broker on loopback, as `stream-app broker --port 9092` starts it.",
            }
        },
        "channels": {topic.name: _channel(settings, topic) for topic in TOPICS},
        "operations": {
            f"{action}-{topic.name}": _operation(settings, topic, action)
            for topic in TOPICS
            for action in _actions(topic)
        },
        "components": {
            "messages": {_message_name(topic): _message(topic) for topic in TOPICS},
            "schemas": _schemas(),
        },
    }


def _channel(settings: Settings, topic: Topic) -> Json:
    config = configs(settings, topic)
    settled: Json = {"cleanup.policy": config["cleanup.policy"].split(",")}
    settled |= {name: int(value) for name, value in config.items() if name != "cleanup.policy"}
    name = _message_name(topic)
    channel: Json = {
        "address": full_name(settings, topic.name),
        "description": (
            f"{topic.description} Key: {topic.key}. Written by: {', '.join(topic.writers)}."
        ),
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "kafka": {
                "bindingVersion": KAFKA_BINDING,
                "topic": full_name(settings, topic.name),
                "partitions": settings.partitions,
                "replicas": settings.replication,
                "topicConfiguration": settled,
            }
        },
    }
    return channel | {"x-internal": True} if topic.internal else channel


def _actions(topic: Topic) -> tuple[str, ...]:
    """What the application does with a topic. Of public outputs that it reads back only `send`."""
    if topic.internal:
        return ("send", "receive")
    return ("send",) if set(topic.writers) & {*AGENT_NAMES, "dashboard"} else ("receive",)


def _operation(settings: Settings, topic: Topic, action: str) -> Json:
    kafka: Json = {"bindingVersion": KAFKA_BINDING}
    if action == "receive" and not topic.broadcast:
        kafka["groupId"] = {"type": "string", "enum": [settings.app]}
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": topic.description,
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{_message_name(topic)}"}],
        "bindings": {"kafka": kafka},
    }


def _message_name(topic: Topic) -> str:
    return topic.record.__name__ if topic.record is not None else "DeadLetter"


def _message(topic: Topic) -> Json:
    name = _message_name(topic)
    described: Json = {"name": name, "title": name, "summary": topic.description}
    described["bindings"] = {
        "kafka": {
            "bindingVersion": KAFKA_BINDING,
            "key": {"type": "string", "description": topic.key},
        }
    }
    if topic.record is None:
        return described | {
            "contentType": "application/octet-stream",
            "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
            "payload": {"description": "The original bytes, whatever they are."},
        }
    return described | {
        "contentType": "application/json",
        "headers": {"$ref": f"#/components/schemas/{HEADERS.get(name, 'Headers')}"},
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _schemas() -> Json:
    _, components = msgspec.json.schema_components(
        RECORDS, ref_template="#/components/schemas/{name}"
    )
    records = {name: _draft7(components[name]) for name in sorted(components)}
    errors = {PREFIX + n: {"type": "string", **about} for n, about in ERRORS.items()}
    dead = TRAVELLING | {
        "description": "Headers as received, and why the message could not be processed.",
        "properties": TRAVELLING["properties"] | errors,
        "required": list(errors),
    }
    return records | {"Headers": TRAVELLING, "AnalysisHeaders": ANALYSIS, "DeadLetterHeaders": dead}


def _draft7(schema: Any) -> Any:
    """AsyncAPI's own schemas extend draft 7, where a tuple's `prefixItems` are `items`."""
    if isinstance(schema, dict):
        renamed = {"prefixItems": "items"}
        return {renamed.get(name, name): _draft7(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_draft7(value) for value in schema]
    return schema


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("schemas"))
@click.option("--check", is_flag=True, help="Write nothing; fail if the files are not up to date.")
def schemas(out: Path, check: bool) -> None:
    """Write JSON Schemas and the AsyncAPI document from the records."""
    stale = []
    for name, text in documents().items():
        path = out / name
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(name)
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        raise click.ClickException(f"not up to date: {', '.join(stale)}; run `stream-app schemas`")
