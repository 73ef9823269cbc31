"""A worker's pages, log and spans while it works: everything that the rules and the dashboard ask
for is there, and nothing is shown to a stranger."""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from stream_app import schemas
from stream_app.broker import Broker
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.broker.process import free_ports
from stream_app.delivery import administration
from stream_app.delivery.sending import send_all
from stream_app.inference.promotion import KEY
from stream_app.messages.message import INGEST_TIME, Record
from stream_app.messages.topics import CONSUMED, full_name
from stream_app.schemas import Promotion
from stream_app.settings import PREFIX, Settings
from tests.kafka.load import events, items
from tests.kafka.workers import WorkerProcess, read_all, settings_for, until

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKEN = "a-token-of-the-tests-0123456789"
KNOWN = {"Authorization": f"Bearer {TOKEN}"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
Sample = tuple[str, dict[str, str], float]


def shown() -> set[str]:
    """Names of our metrics in the rules and on the dashboard."""
    files = [DEPLOY / "prometheus/rules.yml", *DEPLOY.glob("grafana/dashboards/*.json")]
    return {name for file in files for name in re.findall(r"stream_app_\w+", file.read_text())}


def total(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum over all samples of a name with these labels; there must be one."""
    found = [v for n, given, v in samples if n == name and given.items() >= labels.items()]
    assert found, f"no {name} {labels}"
    return sum(found)


class Spans:
    """What a collector of OpenTelemetry receives."""

    def __init__(self) -> None:
        self.links: dict[str, set[str]] = {}
        """Linked traces by the name of the span."""

    async def take(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    linked = {link.trace_id.hex() for link in span.links}
                    self.links.setdefault(span.name, set()).update(linked)
        return web.Response()


@pytest.fixture
async def spans(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Spans]:
    """A collector, and the variables that send a worker's spans to it."""
    received, (port,) = Spans(), free_ports(1)
    app = web.Application()
    app.router.add_post("/v1/traces", received.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    yield received
    await runner.cleanup()


async def send(settings: Settings) -> int:
    """The load, with one traced review, one late behaviour and a bundle that is none; how many
    reviews there are."""
    made = events(300, until=time.time())
    late = {"event_id": "late", "user_id": "user-1", "item_id": "p-101", "kind": "purchase",
            "time": time.time() - 400 * 86_400}  # fmt: skip
    made.append(Record("behaviours", b"user-1", json.dumps(late).encode()))
    promotion = Promotion("broken-1-00000000", "0" * 64, time.time(), name="nowhere")
    made.append(Record("models", KEY, schemas.encode(promotion)))
    await send_all(settings, [*items(), *made], lambda _: None)
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker)
    async with producer:
        review = {"review_id": "traced", "user_id": "user-1", "item_id": "p-101",
                  "text": "Call me on 13800138000, the battery died"}  # fmt: skip
        await producer.send_and_wait(
            full_name(settings, "reviews"), json.dumps(review).encode(), b"traced",
            headers=[("traceparent", TRACEPARENT.encode())],
        )  # fmt: skip
    return sum(record.topic == "reviews" for record in made) + 1


async def test_what_is_asked_for_is_there(any_broker: Broker, tmp_path: Path, spans: Spans) -> None:
    (port,) = free_ports(1)
    settings = msgspec.structs.replace(
        settings_for(any_broker, "pages"), http_port=port, http_token=TOKEN, log_format="json",
        idempotent=not isinstance(any_broker, EmbeddedBroker),
    )  # fmt: skip
    await administration.create(settings)
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    async with ClientSession(f"http://127.0.0.1:{port}") as session:

        async def get(path: str, **headers: str) -> tuple[int, str]:
            async with session.get(path, headers=headers) as answer:
                return answer.status, await answer.text()

        async def answers() -> bool:
            assert worker.alive(), worker.said()
            try:
                return (await get("/health/live"))[0] == 200
            except OSError:
                return False

        async def ready() -> bool:
            assert worker.alive(), worker.said()
            status, text = await get("/health/ready", **KNOWN)
            return status == 200 and json.loads(text)["ready"] is True

        async def scrape() -> list[Sample]:
            status, text = await get("/metrics", **KNOWN)
            assert status == 200
            return [
                (sample.name, sample.labels, sample.value)
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            ]

        try:
            await until(answers, 60, "a page")
            # Neither partitions nor broadcasts are there when the pages are.
            status, text = await get("/health/ready", **KNOWN)
            assert status == 503 and text.count("\n") == 1
            assert json.loads(text)["ready"] is False and len(json.loads(text)["reasons"]) == 2
            for path in ("/health/ready", "/metrics", "/"):
                assert await get(path) == (401, "401: Unauthorized")
            await until(ready, 60, "readiness")
            sent = await send(settings)

            async def done() -> bool:
                assert worker.alive(), worker.said()
                samples = await scrape()
                counted = "stream_app_latency_seconds_count"
                recommended = total(samples, counted, input="reviews", output="recommendations")
                dead = total(samples, "stream_app_dead_letters_total", topic="reviews")
                return (
                    recommended + dead == sent
                    and total(samples, "stream_app_refused_models_total") == 1
                    # Partitions are looked at from time to time.
                    and any(name == "stream_app_committed_offset" for name, _, _ in samples)
                    and total(samples, "stream_app_committed_offset", topic="reviews") == sent
                    and total(samples, "stream_app_lag_messages") == 0
                )

            await until(done, 90, "all of the load counted and committed")
            samples = await scrape()
            committed = await offsets(settings)
            analyses = await read_all(settings, full_name(settings, "analyses"))
            await until(lambda: linked(spans), 20, "spans of all agents")
            assert worker.terminate() == 0
        finally:
            if worker.alive():
                worker.kill()

    names = {name for name, _, _ in samples if name.startswith("stream_app_")}
    assert shown() <= names
    # Nothing is measured for nobody. Of a histogram its buckets are shown, or its mean.
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in names}
    assert families == {re.sub("_(bucket|sum|count)$", "", name) for name in shown()}
    for name, labels in NOT_NOTHING:
        assert total(samples, name, **labels) > 0, f"{name} {labels}"
    assert total(samples, "stream_app_batches_in_flight") == 0
    assert total(samples, "stream_app_ready") == 1
    assert total(samples, "stream_app_batch_rows_sum", agent="analyse") == sent
    waited = total(samples, "stream_app_latency_seconds_sum", output="analyses")
    assert 0 < waited / sent < 90
    told = {
        (labels["topic"], int(labels["partition"])): value
        for name, labels, value in samples
        if name == "stream_app_committed_offset"
    }
    assert {where: told[where] for where in committed} == committed
    # Labels are of few values, none of which an input chooses.
    assert not re.search("user-|p-101|13800138000|review-", str(samples))
    assert len(samples) < 1000

    (traced,) = [m for m in analyses if json.loads(m.value)["id"] == "traced"]
    headers = dict(traced.headers)
    assert headers["traceparent"] == TRACEPARENT.encode()
    assert abs(int(headers[INGEST_TIME]) / 1000 - time.time()) < 120

    lines = worker.log.read_text(encoding="utf-8").splitlines()
    entries: list[Any] = [json.loads(line) for line in lines]
    assert any("promotion refused" in entry["message"] for entry in entries)
    assert not any(word in line for line in lines for word in ("13800138000", TOKEN))


NOT_NOTHING: list[tuple[str, dict[str, str]]] = [
    *(("stream_app_received_messages_total", {"topic": topic}) for topic in CONSUMED),
    *(
        (f"stream_app_batch_{what}", {"agent": agent})
        for agent in ("analyse", "interests", "watch", "catalogue")
        for what in ("rows_sum", "seconds_sum")
    ),
    ("stream_app_dead_letters_total", {"topic": "reviews", "stage": "analyse"}),
    ("stream_app_dead_letters_total", {"topic": "behaviours", "stage": "interests"}),
    ("stream_app_alerts_total", {"kind": "severe"}),
    ("stream_app_masked_total", {"kind": "PHONE"}),
    ("stream_app_latency_seconds_sum", {"input": "behaviours", "output": "recommendations"}),
    ("stream_app_tokens_total", {}),
    ("stream_app_padding_tokens_total", {}),
    ("stream_app_cached_texts_total", {}),
    ("stream_app_late_events_total", {}),
    ("stream_app_repeated_events_total", {}),
    ("stream_app_model_info", {"provider": "CPUExecutionProvider"}),
    ("stream_app_last_commit_timestamp_seconds", {"topic": "reviews", "partition": "0"}),
]


async def linked(spans: Spans) -> bool:
    """Whether every agent has sent a span, and those that took the trace are linked to it."""
    everybody = {f"process {name}" for name in ("analyse", "interests", "watch", "catalogue")}
    took = [spans.links.get(f"process {name}", set()) for name in ("analyse", "interests")]
    return set(spans.links) == everybody and all(TRACE in links for links in took)


async def offsets(settings: Settings) -> dict[tuple[str, int], float]:
    """What the group has committed, by topic without the prefix and partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(settings.app)
    finally:
        await admin.close()
    return {
        (tp.topic.removeprefix(settings.prefix), tp.partition): told.offset
        for tp, told in found.items()
        if told.offset > 0
    }


async def test_a_worker_that_could_be_reached_does_not_start_without_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HTTP_HOST": "0.0.0.0", "HTTP_PORT": "9100"}.items():
        monkeypatch.setenv(PREFIX + name, value)
    monkeypatch.chdir(tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stream_app", "worker", stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    (line,) = said.decode().splitlines()
    assert line.startswith("Error: 0.0.0.0 can be reached") and "set STREAM_APP_HTTP_TOKEN" in line
