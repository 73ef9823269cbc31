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

from stream_app import access, topics
from stream_app.access import Acl
from stream_app.broker.kafka import KafkaCluster, KafkaUnavailable, Security
from stream_app.settings import Settings, load, security

OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8}
RESOURCES = {"topic": 2, "group": 3}
LITERAL, ALLOW = 3, 3
As = Callable[..., Settings]
"""The settings under which a user comes, of an app."""


def password(user: str) -> str:
    return f"{user}-S3cret-of-the-tests"


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
def as_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[As]:
    """Settings of each user on the secured cluster, topics made and rights given."""
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
    users = ("admin", "stranger", *access.COMPONENTS)
    cluster = KafkaCluster(
        security=Security(
            {user: password(user) for user in users}, folder / "node.pem", folder / "ca.pem"
        )
    )

    def settings(user: str, app: str = "guarded") -> Settings:
        return load(
            environ={}, broker=cluster.bootstrap, app=app, prefix=f"{app}.",
            session_timeout=6.0, security="SASL_SSL", sasl_username=user,
            sasl_password=password(user), ssl_cafile=str(folder / "ca.pem"),
        )  # fmt: skip

    try:
        cluster.start()
    except KafkaUnavailable as reason:
        pytest.skip(str(reason))
    try:
        # One app to try what is allowed on, and one to work.
        for app in ("guarded", "job"):
            asyncio.run(_prepared(settings, app))
        yield settings
    finally:
        cluster.stop()


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
    await topics.create(settings("operator", app))
