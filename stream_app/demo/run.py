"""`stream-app demo`: a broker, a worker and a shop's week, on this machine."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.console import Console
from rich.live import Live

from stream_app.broker import Broker, BrokerError
from stream_app.broker.embedded import EmbeddedBroker
from stream_app.broker.kafka import KafkaCluster
from stream_app.broker.process import LOOPBACK, end, free_ports, require_free, spawn
from stream_app.delivery import administration
from stream_app.demo import corpus
from stream_app.demo.account import Account, Place
from stream_app.demo.view import draw
from stream_app.messages.topics import OUTPUTS, full_name
from stream_app.settings import Settings, environment

ACCOUNTED = (*OUTPUTS, "item-vectors")
FED_SECONDS = 40
"""How long the week takes when a person watches."""
QUIET_SECONDS = 2.0
"""Alerts and trends come a little after the analyses that account for the inputs: the demo ends
when no output has come for so long."""
LIMIT_SECONDS = 180


def run(
    settings: Settings, *, once: bool, as_json: bool, kafka: bool, dashboard: bool | None
) -> int:
    """Play the demo; exit code 0 only if every input is accounted for. Raises BrokerError.

    `dashboard`: serve the page as well and, unless `once`, stay for it; None: if a person watches
    and it is installed.
    """
    broker: Broker = KafkaCluster() if kafka else EmbeddedBroker()
    console = Console(highlight=False)
    stay = not once and not as_json and (console.is_terminal or bool(dashboard))
    if dashboard is None:
        dashboard = stay and find_spec("nicegui") is not None
    with tempfile.TemporaryDirectory(prefix="stream-app-demo-") as folder, broker:
        settings = msgspec.structs.replace(
            settings,
            broker=broker.bootstrap,
            data_dir=str(Path(folder) / "tables"),
            idempotent=kafka,
            fetch_wait_ms=100,
            session_timeout=6.0,
            dashboard_host=LOOPBACK,
            dashboard_port=_free(settings.dashboard_port),
        )
        asyncio.run(administration.create(settings))
        commands = ("worker", "dashboard") if dashboard else ("worker",)
        children: dict[str, Child] = {}
        try:
            for name in commands:
                children[name] = _child(settings, name, Path(folder) / f"{name}.log")
            return asyncio.run(_Demo(settings, children, console, stay, as_json).play())
        except KeyboardInterrupt:
            return 0
        finally:
            end([child.process for child in children.values()], grace=5)


def _free(port: int) -> int:
    """The port, or where it is taken another."""
    try:
        require_free(port)
    except BrokerError:
        (port,) = free_ports(1)
    return port


class Child(NamedTuple):
    """A command of ours that runs beside the demo."""

    process: "subprocess.Popen[bytes]"
    log: Path


def _child(settings: Settings, command: str, log: Path) -> Child:
    variables = dict(os.environ) | environment(settings)
    process = spawn([sys.executable, "-m", "stream_app", command], log, variables)
    return Child(process, log)


class _Demo:
    def __init__(
        self,
        settings: Settings,
        children: dict[str, Child],
        console: Console,
        stay: bool,
        as_json: bool,
    ) -> None:
        self._settings = settings
        self._children = children
        self._console = console
        self._stay = stay
        self._as_json = as_json
        self._page = (
            f"http://{settings.dashboard_host}:{settings.dashboard_port}/?user={corpus.SHOWN_USER}"
            if "dashboard" in children
            else ""
        )
        self._account = Account()
        self._start = time.monotonic()
        self._last = self._start
        self._before: dict[str, Any] | None = None
        self._after: dict[str, Any] | None = None

    async def play(self) -> int:
        watched = not self._as_json and self._console.is_terminal
        if self._page and not watched:
            Console(stderr=self._as_json).print(self._page, soft_wrap=True)
        reader = asyncio.create_task(self._read())
        feeder = asyncio.create_task(self._feed(FED_SECONDS if watched else 0))
        try:
            if watched:
                with Live(self._draw(), console=self._console, refresh_per_second=4) as live:
                    await self._wait(reader, feeder, live)
            else:
                await self._wait(reader, feeder, None)
        finally:
            for task in (reader, feeder):
                task.cancel()
            await asyncio.gather(reader, feeder, return_exceptions=True)
        summary = self._account.summary(time.monotonic() - self._start)
        if self._as_json:
            print(json.dumps(summary), flush=True)
        else:
            if not watched:
                self._console.print(self._draw())
            self._console.print(", ".join(f"{k} {v}" for k, v in summary.items()))
        return 1 if summary["unaccounted"] else 0

    def _draw(self) -> Any:
        seconds = time.monotonic() - self._start
        return draw(self._account, self._before, self._after, seconds, self._page)

    async def _wait(
        self, reader: "asyncio.Task[None]", feeder: "asyncio.Task[None]", live: Live | None
    ) -> None:
        """Until everything is accounted for and quiet; then for ever, if somebody watches on."""
        announced = False
        while True:
            for task in (reader, feeder):
                if task.done() and task.exception() is not None:
                    raise BrokerError(f"the demo's broker failed: {task.exception()}")
            for name, child in self._children.items():
                if child.process.poll() is not None:
                    raise BrokerError(f"the {name} ended: {_last_line(child.log)}")
            if live is not None:
                live.update(self._draw())
            quiet = time.monotonic() - self._last > QUIET_SECONDS
            if feeder.done() and quiet and not self._account.open():
                if not self._stay:
                    return
                if not announced:
                    announced = True
                    self._console.print(
                        "Everything is accounted for. The broker goes on until Ctrl-C; try "
                        f"`stream-app --broker {self._settings.broker} tail alerts "
                        "--from-beginning`.",
                        soft_wrap=True,
                    )
            elif not self._stay and time.monotonic() - self._start > LIMIT_SECONDS:
                return
            await asyncio.sleep(0.2)

    async def _feed(self, seconds: float) -> None:
        """Send the corpus, the catalogue first; over `seconds` if a person watches."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.broker, enable_idempotence=self._settings.idempotent
        )
        await producer.start()
        try:
            messages = list(corpus.messages(time.time()))
            items = [m for m in messages if m["topic"] == "items"]
            await self._send(producer, items)
            while self._account.open():  # recommendations need the catalogue
                await asyncio.sleep(0.1)
            rest = [m for m in messages if m["topic"] != "items"]
            step = 10 if seconds else len(rest)
            for begin in range(0, len(rest), step):
                await self._send(producer, rest[begin : begin + step])
                await asyncio.sleep(seconds * step / len(rest))
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, messages: list[corpus.Envelope]) -> None:
        for message in messages:
            key = message["key"].encode()
            name = full_name(self._settings, message["topic"])
            # One by one: the embedded broker reports a batch's end offset wrongly.
            stored = await producer.send_and_wait(name, corpus.payload(message), key=key)
            place = Place(message["topic"], stored.partition, stored.offset)
            self._account.sent[place] = message["key"]

    async def _read(self) -> None:
        names = {full_name(self._settings, topic): topic for topic in ACCOUNTED}
        consumer = AIOKafkaConsumer(
            *names,
            bootstrap_servers=self._settings.broker,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        try:
            async for message in consumer:
                topic = names[message.topic]
                self._account.apply(topic, message.key, message.value, dict(message.headers))
                self._last = time.monotonic()
                if topic == "recommendations" and message.key == corpus.SHOWN_USER.encode():
                    self._show(json.loads(message.value))
        finally:
            await consumer.stop()

    def _show(self, record: dict[str, Any]) -> None:
        """Keep the shown user's list before and after the review of the last item."""
        reviewed = record["based_on"]["kind"] == "review"
        if reviewed and record["based_on"]["intensity"] < 0:
            self._after = record
        elif self._after is None:
            self._before = record


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "no word in its log"
