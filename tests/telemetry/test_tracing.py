"""Spans of batches, with OpenTelemetry's own in-memory exporter; nothing without its variable."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stream_app.messages.message import Message
from stream_app.settings import SettingsError
from stream_app.telemetry import tracing


def message(number: int, *headers: tuple[str, bytes]) -> Message:
    return Message("reviews", 0, number, None, b"{}", headers, 1.0)


def parent(number: int) -> bytes:
    return f"00-{number:032x}-{number:016x}-01".encode()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing._tracer = None


def test_a_span_links_to_each_trace_once_and_not_to_more_than_it_may(
    spans: InMemorySpanExporter,
) -> None:
    inputs = [message(n, ("traceparent", parent(1 + n // 2))) for n in range(1000)]
    inputs[0] = inputs[0]._replace(headers=())
    inputs[3] = message(3, ("tracestate", b"a=1"), ("traceparent", parent(7)))
    with tracing.batch("analyse", inputs):
        pass
    (span,) = spans.get_finished_spans()
    assert span.name == "process analyse" and span.parent is None
    assert span.attributes["messaging.batch.message_count"] == 1000
    linked = [link.context.trace_id for link in span.links]
    assert len(linked) == len(set(linked)) == tracing.LINKS
    assert linked[:4] == [1, 2, 7, 3]
    assert span.links[2].context.trace_state == {"a": "1"}


@pytest.mark.parametrize("broken", [b"", b"00-1-2-01", b"\xff\x00", b"x" * 9000, b"00" * 40])
def test_what_is_no_trace_is_not_linked(spans: InMemorySpanExporter, broken: bytes) -> None:
    with tracing.batch("watch", [message(0, ("traceparent", broken)), message(1)]):
        pass
    (span,) = spans.get_finished_spans()
    assert list(span.links) == []


def test_a_failing_batch_says_so_without_the_words(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError), tracing.batch("analyse", [message(0)]):
        raise ValueError("call me on 13800138000")
    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok
    assert "13800138000" not in span.to_json()


def test_nothing_of_it_is_imported_unasked() -> None:
    program = (
        "import sys; from stream_app.agents import worker\n"
        "from stream_app.telemetry import tracing\n"
        "tracing.start()\n"
        "with tracing.batch('analyse', []): pass\n"
        "print(sorted(n for n in sys.modules if n.startswith('opentelemetry')))"
    )
    environ = {n: v for n, v in os.environ.items() if not n.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_without_the_extra_it_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    tracing.start({})
    with pytest.raises(SettingsError) as caught:
        tracing.start({tracing.ENDPOINT: "http://127.0.0.1:4318"})
    assert str(caught.value) == (
        "OTEL_EXPORTER_OTLP_ENDPOINT is set: pip install 'stream-app[otel]'"
    )
