"""`stream-app`: every command, thin over the rooms."""

import asyncio
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from models.bundle import BundleError
from models.cli import model
from stream_app import access
from stream_app import settings as settings_module
from stream_app.broker import BrokerError
from stream_app.profiles import ProfileError
from stream_app.recommend.cli import recommend
from stream_app.settings import Settings, SettingsError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def friendly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Errors that a person can mend become one line and exit code 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from aiokafka.errors import KafkaConnectionError, KafkaError

        from stream_app.app import TopicsError
        from stream_app.files import LineError

        try:
            return command(*args, **kwargs)
        except KafkaConnectionError as error:
            raise click.ClickException(
                # aiokafka tells a refused login no otherwise.
                f"no broker answers, or none takes this login: {error}; "
                "`stream-app broker` starts one"
            ) from error
        except (
            BrokerError,
            BundleError,
            ProfileError,
            SettingsError,
            TopicsError,
            LineError,
            KafkaError,
        ) as error:
            raise click.ClickException(str(error)) from error

    return wrapped


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=FILE, help="Settings, TOML. Default: stream-app.toml if it exists.")
@click.option("--broker", help="Bootstrap servers, host:port[,host:port].")
@click.option("--profile", help="shop, news, finance, support, or a TOML file.")
@click.version_option(package_name="stream-app")
@click.pass_context
def main(
    context: click.Context, config: Path | None, broker: str | None, profile: str | None
) -> None:
    """Reviews, comments and questions understood while they arrive.

    \b
    stream-app demo                      all of it, on this machine
    stream-app broker                    a broker to play with
    stream-app topics create             what the worker needs
    stream-app worker                    process
    stream-app send reviews.jsonl        feed
    stream-app tail alerts               watch
    stream-app dashboard                 watch in a browser
    """
    try:
        context.obj = settings_module.load(config, broker=broker, profile=profile)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


main.add_command(model)
main.add_command(recommend)


@model.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", type=FILE, required=True, help="Labelled texts of neither's training.")
@click.option("--current", type=click.Path(file_okay=False, path_type=Path),
              help="Bundle it replaces; by default that of the settings.")  # fmt: skip
@click.option("--float32", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="The same weights exported with --precision float32.")  # fmt: skip
@click.option("--limit", type=int, default=2000, show_default=True, help="Texts to draw; 0: all.")
@click.option("--force", is_flag=True, help="Promote all the same; the card will say so.")
@click.option("--check", is_flag=True, help="Only measure.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
@friendly
def promote(
    settings: Settings,
    bundle: Path,
    data: Path,
    current: Path | None,
    float32: Path | None,
    limit: int,
    force: bool,
    check: bool,
    as_json: bool,
) -> None:
    """Measure a bundle against the one that serves; if it is no worse, let all workers serve it.

    \b
    stream-app model promote my-bundle --data held-out.jsonl --float32 my-bundle-float32
    stream-app model promote my-bundle --data held-out.jsonl --check --json
    """
    from models import evaluation, gate, labelled
    from models.batching import Inference
    from stream_app import promotion
    from stream_app.pipeline import open_model

    def opened(path: Path | None) -> Inference:
        return Inference(open_model(settings, path), cache_size=0)

    try:
        rows = labelled.sample(labelled.read(data), limit)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    candidate = opened(bundle)
    verdict = gate.judge(candidate, opened(current), rows, opened(float32) if float32 else None)
    refusals = verdict.refusals
    if candidate.model.bundle.config.precision == "int8" and float32 is None:
        refusals.append("int8 not compared with its float32: give --float32")
    if as_json:
        click.echo(json.dumps({"figures": verdict.figures, "refusals": refusals}))
    else:
        for name, value in verdict.figures.items():
            click.echo(f"{name:<28} {value:g}")
    if refusals and not force:
        raise click.ClickException(f"{candidate.version} is refused: {'; '.join(refusals)}")
    if check:
        return
    if refusals:
        gate.note_force(candidate.model.bundle, refusals, evaluation.today())
    asyncio.run(promotion.announce(settings, candidate.model.bundle))
    click.echo(f"{candidate.version} is announced to all workers", err=as_json)


@main.command(name="acls")
@click.argument("component", type=click.Choice(access.COMPONENTS))
@click.option("--principal", required=True, help="Whom to allow, as Kafka names it: User:worker.")
@click.pass_obj
def acls_command(settings: Settings, component: access.Component, principal: str) -> None:
    """Print the commands that give a component the least rights it needs.

    \b
    stream-app acls worker --principal User:worker
    stream-app acls alerts --principal User:pager
    """
    for acl in access.acls(settings, component):
        click.echo(access.command(settings, acl, principal))


@main.command()
@click.option("--kafka", is_flag=True, help="Apache Kafka from its Maven jars; needs a JDK 17+.")
@click.option("--nodes", type=click.IntRange(1, 9), default=1, show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: any free one.")
@friendly
def broker(kafka: bool, nodes: int, port: int | None) -> None:
    """Run a broker on loopback until Ctrl-C. Data is not kept.

    \b
    stream-app broker --port 9092
    stream-app broker --kafka --nodes 3
    """
    from stream_app.broker import serve
    from stream_app.broker.embedded import EmbeddedBroker
    from stream_app.broker.kafka import KafkaCluster

    if nodes > 1 and not kafka:
        raise click.UsageError("--nodes needs --kafka: the embedded broker is a single one")
    serve(KafkaCluster(nodes, port=port) if kafka else EmbeddedBroker(port))


@main.group()
def topics() -> None:
    """Create and list the topics."""


@topics.command("create")
@click.pass_obj
@friendly
def topics_create(settings: Settings) -> None:
    """Create what is missing; what exists is left as it is."""
    from stream_app import topics as topics_module

    created = asyncio.run(topics_module.create(settings))
    click.echo(f"created {', '.join(created)}" if created else "all topics are there")


@topics.command("list")
@click.pass_obj
@friendly
def topics_list(settings: Settings) -> None:
    """Every topic, its key, its writer and its partitions on the broker."""
    from stream_app import topics as topics_module

    counts = asyncio.run(topics_module.partitions(settings))
    for spec in topics_module.TOPICS:
        name = topics_module.full_name(settings, spec.name)
        kept = "compacted" if spec.compacted else "by time"
        click.echo(
            f"{name:<24} {counts[name]:>3} partitions  key {spec.key:<12} {kept:<10} "
            f"written by {spec.writer}"
        )


@main.command()
@click.option("--data-dir", type=click.Path(file_okay=False), help="This worker's tables.")
@click.option("--log-level", default="INFO", show_default=True)
@click.pass_obj
@friendly
def worker(settings: Settings, data_dir: str | None, log_level: str) -> None:
    """Process until SIGTERM. Start more, each with its own --data-dir, to share the load."""
    import msgspec

    from stream_app import app
    from stream_app.ops import logs

    logs.configure(settings, log_level)
    if data_dir:
        settings = msgspec.structs.replace(settings, data_dir=data_dir)
    app.run(settings)


@main.command()
@click.argument("file", type=FILE)
@click.option("--topic", default="reviews", show_default=True, help="Of lines without envelope.")
@click.pass_obj
@friendly
def send(settings: Settings, file: Path, topic: str) -> None:
    """Send a JSONL file; returns when the broker has confirmed every line.

    A line is a record, or {"topic": …, "key": …, "value": …} to mix topics in one file.

    \b
    stream-app send reviews.jsonl
    stream-app send --topic items catalogue.jsonl
    """
    from tqdm import tqdm

    from stream_app.files import read
    from stream_app.sending import send_all

    total = sum(1 for line in file.open("rb") if line.strip())
    with tqdm(total=total, unit="msg", file=sys.stderr, disable=None) as bar:
        delivered = asyncio.run(send_all(settings, read(file, topic), bar.update))
    click.echo(f"{delivered} delivered")


@main.command()
@click.argument("topic")
@click.option("--json", "as_json", is_flag=True, help="The values as they are, one a line.")
@click.option("--from-beginning", is_flag=True)
@click.option("--max", "most", type=int, default=0, help="End after this many; 0: never.")
@click.pass_obj
@friendly
def tail(settings: Settings, topic: str, as_json: bool, from_beginning: bool, most: int) -> None:
    """Follow a topic.

    \b
    stream-app tail alerts
    stream-app tail dead-letters --from-beginning
    stream-app tail analyses --json | jq .sentiment
    """
    from stream_app.tailing import follow

    try:
        asyncio.run(follow(settings, topic, as_json, from_beginning, most))
    except KeyboardInterrupt:
        click.echo("", err=True)


@main.command()
@click.argument("file", type=FILE)
@click.option("--topic", default="reviews", show_default=True, help="Of lines without envelope.")
@click.option("--state", is_flag=True, help="Put out the tables' final state too.")
@click.option("--text-column", help="FILE is CSV or TSV: the column that holds the reviews.")
@click.pass_obj
@friendly
def replay(
    settings: Settings, file: Path, topic: str, state: bool, text_column: str | None
) -> None:
    """The whole flow without Kafka: a file in, all outputs as JSONL out.

    \b
    stream-app replay events.jsonl --state > outputs.jsonl
    stream-app replay reviews.csv --text-column text > outputs.jsonl
    """
    from tqdm import tqdm

    from stream_app.files import line, read, read_column
    from stream_app.pipeline import build
    from stream_app.replay import Replay

    run = Replay(build(settings), settings.partitions)
    messages = read_column(file, text_column) if text_column else read(file, topic)
    with tqdm(messages, unit="msg", file=sys.stderr, disable=None) as counted:
        for output in run.run(counted):
            sys.stdout.write(line(output) + "\n")
    if state:
        for table, records in (("interests", run.interests()), ("subjects", run.subjects())):
            for key, record in records.items():
                sys.stdout.write(line(table=table, key=key, value=record) + "\n")


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("schemas/generated"))
@click.option("--check", is_flag=True, help="Write nothing; fail if the files are not up to date.")
def schemas(out: Path, check: bool) -> None:
    """Write JSON Schemas and the AsyncAPI document from the records."""
    from stream_app.contracts import documents

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


@main.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
@friendly
def doctor(settings: Settings, as_json: bool) -> None:
    """Check Python, bundle, execution provider, profile, broker and topics."""
    from stream_app.doctor import examine, show

    findings = asyncio.run(examine(settings))
    show(findings, as_json)
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


@main.command()
@click.pass_obj
@friendly
def dashboard(settings: Settings) -> None:
    """Serve a page that follows the output topics, until Ctrl-C.

    It listens on loopback; elsewhere (STREAM_APP_DASHBOARD_HOST) it asks for the token that
    STREAM_APP_HTTP_TOKEN holds.
    """
    try:
        from stream_app.dashboard import serve
    except ModuleNotFoundError as error:
        raise click.ClickException(
            "the dashboard is not installed: pip install 'stream-app[dashboard]'"
        ) from error
    serve.run(settings)


@main.command()
@click.option("--once", is_flag=True, help="End when every input is accounted for.")
@click.option("--json", "as_json", is_flag=True, help="No live view; one JSON object at the end.")
@click.option("--kafka", is_flag=True, help="On Apache Kafka instead of the embedded broker.")
@click.option("--dashboard/--no-dashboard", default=None,
              help="Serve the page too. Default: in a terminal, if installed.")  # fmt: skip
@click.pass_obj
@friendly
def demo(
    settings: Settings, once: bool, as_json: bool, kafka: bool, dashboard: bool | None
) -> None:
    """Broker, worker and a week of a shop's reviews, on this machine, live."""
    from stream_app.demo.run import run

    raise SystemExit(run(settings, once=once, as_json=as_json, kafka=kafka, dashboard=dashboard))


if __name__ == "__main__":
    main()
