"""Secrets and personal data are nowhere but where they may be, in all that the suite wrote."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import rocksdict
import trustme
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from stream_app.broker.kafka import KafkaCluster
from stream_app.commands.main import main
from stream_app.delivery import administration
from stream_app.settings import PREFIX, security
from tests.kafka.leaks import Finding, in_files, in_topics, search
from tests.kafka.load import PERSONAL
from tests.kafka.users import USERS, As, Secured, password
from tests.kafka.workers import WorkerProcess, drained, read_all, settings_for, until

SECRETS = {f"password of {user}": password(user) for user in USERS} | {
    "wrong password": "Guess3d-and-wrong"
}
PHONE, MAIL, CARD = (PERSONAL[name] for name in ("phone", "e-mail", "card"))


def good() -> Iterator[tuple[str, bytes, bytes]]:
    """Reviews with personal data: praise, complaints that are alerts, texts of no topic."""
    around = [
        "I like it. My {kind} is {text}, call any time.",
        "充电的时候着火了，太危险了！我的{kind}：{text}，快联系我！",
        "<b>My cat</b> sleeps in it&nbsp;{text} ({kind}) all day.",
    ]
    for nth, sentence in enumerate(around):
        for kind, text in PERSONAL.items():
            review = {
                "review_id": f"r-{nth}-{kind}", "user_id": f"u{nth}", "item_id": "p1",
                "time": time.time(), "text": sentence.format(kind=kind, text=text),
            }  # fmt: skip
            yield "reviews", kind.encode(), json.dumps(review).encode()


def broken() -> Iterator[tuple[str, bytes, bytes | None]]:
    """Messages whose errors would like to quote what they hold."""
    review: dict[str, object] = {"review_id": "x", "user_id": "u1", "text": "good"}
    item: dict[str, object] = {"item_id": "p1", "title": "Power bank"}
    behaviour: dict[str, object] = {"user_id": "u1", "item_id": "p1", "kind": "view"}
    wrong: list[tuple[str, dict[str, object]]] = [
        ("reviews", review | {"user_id": {"mail": MAIL}}),
        ("reviews", review | {"text": [PHONE, CARD]}),
        ("reviews", review | {"time": PHONE}),
        ("reviews", review | {"time": int(PHONE)}),
        ("reviews", review | {"stars": int(PHONE)}),
        ("reviews", review | {"text": f"{MAIL} " * 1000}),
        ("reviews", {MAIL: PHONE}),
        ("behaviours", behaviour | {"kind": PHONE}),
        ("behaviours", behaviour | {"kind": f"'{MAIL}'"}),
        ("behaviours", behaviour | {"user_id": MAIL}),
        ("behaviours", behaviour | {"time": int(PHONE)}),
        ("items", item | {"item_id": MAIL}),
        ("items", item | {"title": PHONE * 50}),
        ("items", item | {"tags": {MAIL: PHONE}}),
    ]
    for topic, value in wrong:
        yield topic, f"key of {MAIL}".encode(), json.dumps(value).encode()
    for data in (
        f'{{"review_id": "x", "text": "{PHONE}'.encode(),
        f'{{"review_id": "x", {PHONE}: "text"}}'.encode(),
        f"{MAIL} is no JSON".encode(),
        f'{{"review_id": "x", "user_id": "u1", "text": "{PHONE}'.encode() + b'\xff"}',
        b'{"text": ' * 2000 + PHONE.encode(),
    ):
        for topic in ("reviews", "behaviours", "items"):
            yield topic, PHONE.encode(), data
    yield "items", PHONE.encode() + b"\xff", None
    yield "reviews", MAIL.encode() + b"\xff", None


async def test_nothing_leaks_from_a_worker_that_is_fed_and_refused(
    as_user: As, tmp_path: Path
) -> None:
    """Over TLS and SCRAM: reviews with personal data, broken ones, logins that fail."""
    settings = as_user("worker", "leaks")
    worker = WorkerProcess(settings, tmp_path, "only")
    worker.start()
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    refused = {
        "wrong-password": msgspec.structs.replace(
            settings, sasl_password=SECRETS["wrong password"]
        ),
        "wrong-user": msgspec.structs.replace(settings, sasl_username="nobody"),
        "wrong-authority": msgspec.structs.replace(settings, ssl_cafile=str(stranger)),
        "no-tls": msgspec.structs.replace(settings, security="SASL_PLAINTEXT"),
        "no-rights": msgspec.structs.replace(
            settings, sasl_username="stranger", sasl_password=password("stranger")
        ),
    }
    failing = {name: WorkerProcess(other, tmp_path, name) for name, other in refused.items()}
    sent = [*good(), *broken()]
    producer = as_user("producer", "leaks")
    try:
        for one in failing.values():
            one.start()
        headers = [("x-reply-to", MAIL.encode())]
        async with AIOKafkaProducer(
            bootstrap_servers=producer.broker, **security(producer)
        ) as sending:
            for topic, key, value in sent:
                await sending.send_and_wait(f"leaks.{topic}", value, key, headers=headers)

        async def ended() -> bool:
            return not any(one.alive() for one in failing.values())

        await drained(as_user("admin", "leaks"), [worker], 90)
        await until(ended, 60, "those refused end")
        assert worker.terminate() == 0
    finally:
        for one in (worker, *failing.values()):
            if one.alive():
                one.kill()
    for name, one in failing.items():
        assert one.code() == 1, name
        assert one.said().splitlines()[-1].startswith("Error: "), one.said()
    for name, other in refused.items():
        environment = {
            PREFIX + key.upper(): str(value) for key, value in msgspec.structs.asdict(other).items()
        }
        done = await asyncio.to_thread(CliRunner().invoke, main, ["doctor"], env=environment)
        said = done.output
        assert "FAIL" in said
        (tmp_path / f"doctor-{name}.log").write_text(said)
    auditor, dashboard = as_user("auditor", "leaks"), as_user("dashboard", "leaks")
    assert len(await read_all(auditor, "leaks.dead-letters")) == len(list(broken()))
    analyses = await read_all(dashboard, "leaks.analyses")
    assert len(analyses) == len(list(good()))
    assert all(json.loads(message.value)["masked"] for message in analyses)
    assert await read_all(as_user("alerts", "leaks"), "leaks.alerts")


async def test_what_leaks_is_found(kafka: KafkaCluster, tmp_path: Path) -> None:
    """The search, shown something in each place that it looks into."""
    secret, personal = {"secret": "planted-S3cret"}, {"phone": "138 9999 0000"}
    settings = settings_for(kafka, "planted")
    await administration.create(settings)
    async with AIOKafkaProducer(bootstrap_servers=settings.broker) as sending:
        data = b"call 13899990000, planted-S3cret"
        for topic in ("reviews", "analyses", "dead-letters"):
            headers = [("x-mine", data), ("__connect.errors.exception.message", data)]
            await sending.send_and_wait(f"planted.{topic}", data, data, headers=headers)
    _, found = await in_topics(settings, secret, personal)
    told = "header __connect.errors.exception.message in planted"
    places = [f"{part} in planted" for part in ("key", "value", "header x-mine")] + [told]
    places = [place.replace("planted", "planted.{}") for place in places]
    assert sorted(found) == sorted(
        [
            *(
                Finding(place.format(topic), "secret")
                for place in places
                for topic in ("reviews", "analyses", "dead-letters")
            ),
            *(Finding(place.format("analyses"), "phone") for place in places),
            Finding(f"{told}.dead-letters", "phone"),
        ]
    )
    (tmp_path / "worker.log").write_text("138 9999 0000")
    table = rocksdict.Rdict(str(tmp_path / "table"), rocksdict.Options(raw_mode=True))
    for number in range(1000):
        table[b"%d" % number] = b"planted-S3cret " * 20
    table.flush()
    table.close()
    names = {(Path(f.place).name, f.what) for f in in_files(tmp_path, {**secret, **personal})}
    assert names >= {("worker.log", "phone"), ("table", "secret")}
    assert list(search(b"nothing", {**secret, **personal})) == list(search(None, secret)) == []
    for path in [tmp_path / "worker.log", *(tmp_path / "table").iterdir()]:
        path.unlink()  # all that is left is searched below


async def test_secrets_and_personal_data_are_nowhere_else(
    as_user: As, secured: Secured, kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All topics of both clusters and all files of the session, whichever tests were run."""
    count, found = await in_topics(as_user("admin"), SECRETS, PERSONAL)
    assert count > 100
    more, others = await in_topics(settings_for(kafka, "any"), SECRETS, PERSONAL)
    assert more
    files = list(in_files(tmp_path_factory.getbasetemp(), {**SECRETS, **PERSONAL}))
    # The nodes' own settings hold the password that they come by; their logs may not.
    logs = [
        Finding(str(path), what)
        for cluster in (secured.cluster, kafka)
        for path in cluster.log_dir.glob("node-*/server.log")
        for what in search(path.read_bytes(), {**SECRETS, **PERSONAL})
    ]
    assert [*found, *others, *files, *logs] == []
