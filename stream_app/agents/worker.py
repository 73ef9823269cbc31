"""The worker: one Faust app with its agents and broadcasts."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import faust
from faust.types.auth import SASLMechanism
from mode import Service

from stream_app.agents import contract
from stream_app.agents.description import Agent, Reminders, Subscriber, Subscription
from stream_app.agents.registry import AGENTS, SUBSCRIPTIONS
from stream_app.delivery import administration
from stream_app.delivery.broadcast import Broadcast
from stream_app.delivery.contract import agree
from stream_app.delivery.ending import drain_and_exit
from stream_app.delivery.outbox import Outbox
from stream_app.delivery.shell import Shell
from stream_app.delivery.table import StateTable
from stream_app.delivery.upstream.process import Process
from stream_app.delivery.upstream.transport import transport_class
from stream_app.messages.topics import LARGE, full_name
from stream_app.ops import server
from stream_app.pipeline import Pipeline, build
from stream_app.settings import Settings, security
from stream_app.telemetry import tracing

log = logging.getLogger(__name__)


def _credentials(settings: Settings) -> Any:
    arguments = security(settings)
    context = arguments.get("ssl_context")
    if settings.security.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password,
            mechanism=SASLMechanism(settings.sasl_mechanism),
            # SASL_SSL with a context, else SASL_PLAINTEXT.
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context is not None else None


def create_app(settings: Settings) -> faust.App:
    """The Faust app: at least once, nothing on the web, topics made by us alone."""
    app = faust.App(
        settings.app,
        broker=[f"kafka://{server.strip()}" for server in settings.broker.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.session_timeout / 6,
        broker_commit_interval=1.0,
        consumer_group_instance_id=settings.instance or None,
        # A member that comes back must give the URL that it had; nothing listens there.
        canonical_url=f"http://{settings.instance}" if settings.instance else None,
        store="rocksdb://",
        datadir=str(Path(settings.data_dir).resolve()),
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=settings.standby_replicas,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=LARGE // 8,
        broker_max_poll_records=settings.batch_rows,
        stream_buffer_maxsize=2 * settings.batch_rows,  # of changelogs: sources have inboxes
        stream_wait_empty=True,
        web_enabled=False,
        autodiscover=False,
    )
    app.transport = transport_class(settings)(app.conf.broker_consumer, app, loop=app.loop)
    return app


@dataclass(frozen=True, slots=True)
class Worker:
    """What the agents of one process share."""

    app: faust.App
    settings: Settings
    pipeline: Pipeline
    outbox: Outbox
    broadcasts: list[Broadcast] = field(default_factory=list)
    """The topics that it reads whole."""


def create_worker(
    settings: Settings,
    pipeline: Pipeline,
    agents: Sequence[Agent] = AGENTS,
    subscriptions: Sequence[Subscription] = SUBSCRIPTIONS,
) -> Worker:
    """The app with its agents and broadcasts. An agent begins when those of `subscriptions` that
    it awaits have been read."""
    app = create_app(settings)
    worker = Worker(app, settings, pipeline, Outbox(settings))
    opened = {each.topic: each.open(pipeline) for each in subscriptions}
    broadcasts = {
        topic: _broadcast(settings, topic, subscriber) for topic, subscriber in opened.items()
    }
    worker.broadcasts.extend(broadcasts.values())

    async def ready(topic: str) -> None:
        await broadcasts[topic].ready.wait()
        if (settled := opened[topic].settled) is not None:
            await settled()

    for agent in agents:
        awaited = [topic for topic in agent.awaits if topic in broadcasts]
        _register(worker, agent, partial(_all, ready, awaited))

    async def follow() -> None:
        reminders = [each.reminders for each in opened.values() if each.reminders is not None]
        try:
            await asyncio.gather(
                *(broadcast.run() for broadcast in worker.broadcasts),
                *(_remind(worker.outbox, each) for each in reminders),
            )
            await asyncio.Event().wait()  # also where nothing is read whole
        except Exception as error:
            await drain_and_exit("broadcast", error, worker.outbox)
        finally:
            for each in opened.values():
                if each.stop is not None:
                    each.stop()
            await worker.outbox.stop()

    app.task(follow)
    return worker


def _broadcast(settings: Settings, topic: str, subscriber: Subscriber) -> Broadcast:
    def handle(key: bytes | None, value: bytes | None) -> None:
        subscriber.handle(key, value)
        if subscriber.restoring is not None and not broadcast.ready.is_set():
            subscriber.restoring()

    broadcast = Broadcast(settings, topic, handle)
    return broadcast


async def _all(ready: Callable[[str], Awaitable[None]], topics: Sequence[str]) -> None:
    await asyncio.gather(*map(ready, topics))


async def _remind(outbox: Outbox, reminders: Reminders) -> None:
    await outbox.start()
    while True:
        await asyncio.sleep(reminders.seconds)
        if records := reminders.due():
            await outbox.deliver(records)


def _register(worker: Worker, agent: Agent, ready: Callable[[], Awaitable[None]]) -> None:
    """Let a shell take the agent's topics. Faust's agent has their partitions and the shell's life;
    the messages themselves come past its stream, which costs 0.1 ms for each."""
    settings, table = worker.settings, agent.table
    shell = Shell(
        agent.name,
        agent.processor(worker.pipeline),
        worker.outbox,
        rows=settings.batch_rows,
        size=settings.batch_bytes,
        threads=agent.threads(worker.pipeline),
        table=table and StateTable(worker.app, settings, worker.outbox, table.name),
        ready=ready,
        gather=agent.gather,
    )
    full_names = [full_name(settings, topic) for topic in agent.topics]
    channel: Any = worker.app.topic(
        *full_names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    shell.meter.consumes(*agent.topics)
    worker.app.transport.inboxes.update(dict.fromkeys(full_names, shell.inbox))

    async def live(stream: Any) -> None:
        await shell.run()

    worker.app.agent(channel, name=shell.name)(live)


def serve(app: faust.App, settings: Settings, *services: Service) -> None:
    """Run an app, and before it what goes with it, until SIGTERM or SIGINT, then `stop_seconds` at
    most."""
    # aiokafka has several debug messages a record.
    for noisy in ("aiokafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What is loaded now stays: collections that leave it out hold nothing up.
    gc.collect()
    gc.freeze()
    Process(app, *services, stop_seconds=settings.stop_seconds).execute_from_commandline()


def run(settings: Settings) -> None:
    """The worker. Raises SettingsError, TopicsError, BundleError, ProfileError, ContractError,
    UpstreamError, KafkaError."""
    tracing.start()
    listening = server.listen(settings)
    asyncio.run(administration.check(settings))
    # Before it is a member of the group: who does not fit must not be given a partition.
    asyncio.run(agree(settings, contract.own(settings)))
    pipeline = build(settings)
    serving = pipeline.live.current.inference
    log.info("model %s on %s", serving.version, serving.model.provider)
    worker = create_worker(settings, pipeline)
    services = []
    if listening is not None:
        services.append(
            server.Endpoint(worker.app, worker.broadcasts, settings, listening, pipeline.live)
        )
    serve(worker.app, settings, *services)
