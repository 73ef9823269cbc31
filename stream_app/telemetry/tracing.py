"""A span for each batch, where OpenTelemetry is asked for by its own variables.

Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing of it is imported. The inputs' `traceparent` travels
on to the outputs either way; a batch has many, so its span links to them instead of being a child.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from stream_app.messages.message import Message
from stream_app.settings import SettingsError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
LINKS = 64
"""At most so many of a batch's traces are linked: the first ones."""

_tracer: Any = None


def start(environ: Mapping[str, str] = os.environ) -> None:
    """Send spans from now on, if the environment says where; raises SettingsError."""
    if not environ.get(ENDPOINT):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError(f"{ENDPOINT} is set: pip install 'stream-app[otel]'") from None
    name = environ.get("OTEL_SERVICE_NAME", "stream-app")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)


def use(provider: Any) -> None:
    """Trace with an OpenTelemetry `TracerProvider`."""
    global _tracer
    _tracer = provider.get_tracer("stream_app")


@contextmanager
def batch(agent: str, messages: Sequence[Message]) -> Iterator[None]:
    """A batch's span, from when it is taken until it is acked; nothing without a tracer."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode

    attributes = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": agent,
        "messaging.batch.message_count": len(messages),
    }
    with _tracer.start_as_current_span(
        f"process {agent}",
        kind=SpanKind.CONSUMER,
        attributes=attributes,
        links=_links(messages),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            # Not its message, which could repeat a text.
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _links(messages: Sequence[Message]) -> list[Any]:
    """One link for each of the first traces among the inputs."""
    from opentelemetry.trace import Link, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parents: dict[str, dict[str, str]] = {}
    for message in messages:
        carrier = {
            name: (value or b"").decode("latin-1")
            for name, value in message.headers
            if name in ("traceparent", "tracestate")
        }
        if "traceparent" in carrier:
            parents.setdefault(carrier["traceparent"], carrier)
        if len(parents) == LINKS:
            break
    read = TraceContextTextMapPropagator().extract
    contexts = (get_current_span(read(carrier)).get_span_context() for carrier in parents.values())
    return [Link(context) for context in contexts if context.is_valid]
