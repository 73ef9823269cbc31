"""Who comes to the secured cluster, and how."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from stream_app.broker.kafka import KafkaCluster
from stream_app.commands import access
from stream_app.settings import Settings

USERS = ("admin", "stranger", *access.COMPONENTS)
As = Callable[..., Settings]
"""The settings under which a user comes, of an app."""


def password(user: str) -> str:
    return f"{user}-S3cret-of-the-tests"


class Secured(NamedTuple):
    """The secured cluster, and what its clients trust."""

    cluster: KafkaCluster
    authority: Path
