"""One secured node of Apache Kafka, its topics, and a user for each component."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trustme
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from stream_app.broker.kafka import KafkaCluster, KafkaUnavailable, Security
from stream_app.commands import access
from stream_app.commands.access import Acl
from stream_app.delivery import administration
from stream_app.settings import Settings, load, security
from tests import needs
from tests.kafka.users import USERS, As, Secured, password

OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Describe": 8}
RESOURCES = {"topic": 2, "group": 3}
LITERAL, ALLOW = 3, 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The search for leaks comes last: it looks through what all others wrote."""
    items.sort(key=lambda item: item.path.name == "test_leaks.py")


async def grant(admin: Settings, acl: Acl, user: str) -> None:
    """Allow it to a user, as kafka-acls.sh does."""
    client = AIOKafkaAdminClient(bootstrap_servers=admin.broker, **security(admin))
    await client.start()
    try:
        request = CreateAclsRequest(
            RESOURCES[acl.resource], acl.name, LITERAL, f"User:{user}", "*",
            OPERATIONS[acl.operation], ALLOW,
        )  # fmt: skip
        response = await client._send_request(request)
        assert [code for code, _ in response.creation_responses] == [0], response
    finally:
        await client.close()


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    # Java reads a key as PKCS 8 only.
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    (folder / "node.pem").write_bytes(key + chain)
    cluster = KafkaCluster(
        security=Security(
            {user: password(user) for user in USERS}, folder / "node.pem", folder / "ca.pem"
        )
    )
    try:
        cluster.start()
    except KafkaUnavailable as reason:
        needs.unavailable(str(reason))
    yield Secured(cluster, folder / "ca.pem")
    cluster.stop()


@pytest.fixture(scope="session")
def as_user(secured: Secured) -> As:
    """Settings of each user on the secured cluster, topics made and rights given."""

    def settings(user: str, app: str = "guarded") -> Settings:
        return load(
            environ={}, broker=secured.cluster.bootstrap, app=app, prefix=f"{app}.",
            session_timeout=6.0, security="SASL_SSL", sasl_username=user,
            sasl_password=password(user), ssl_cafile=str(secured.authority),
        )  # fmt: skip

    # One app to try what is allowed on, one to work, one to look for leaks in.
    for app in ("guarded", "job", "leaks"):
        asyncio.run(_prepared(settings, app))
    return settings


@pytest.fixture
def allow(as_user: As) -> Callable[[Acl, str], Awaitable[None]]:
    """Gives a user one more right."""
    return lambda acl, user: grant(as_user("admin"), acl, user)


async def _prepared(settings: As, app: str) -> None:
    """Rights first, so that the operator makes the topics with their own."""
    admin = settings("admin", app)
    for component in access.COMPONENTS:
        for acl in access.acls(admin, component):
            await grant(admin, acl, component)
    await administration.create(settings("operator", app))
