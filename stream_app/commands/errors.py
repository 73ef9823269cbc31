"""Errors that a person can mend, as one line."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def friendly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Errors that a person can mend become one line and exit code 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Exception as error:
            # Only now: a command that goes well loads none of the rooms that it does not use.
            reason = _reason(error)
            if reason is None:
                raise
            raise click.ClickException(reason) from error

    return wrapped


def _reason(error: Exception) -> str | None:
    """What a person is told; None: a fault of ours."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from stream_app.broker import BrokerError
    from stream_app.commands.files import LineError
    from stream_app.delivery.administration import TopicsError
    from stream_app.delivery.contract import ContractError
    from stream_app.delivery.group import GroupError
    from stream_app.delivery.snapshot import SnapshotError
    from stream_app.delivery.upstream.names import UpstreamError
    from stream_app.inference.bundle import BundleError
    from stream_app.profiles import ProfileError
    from stream_app.settings import SettingsError

    if isinstance(error, KafkaConnectionError):
        # aiokafka tells a refused login no otherwise.
        return (
            f"no broker answers, or none takes this login: {error}; `stream-app broker` starts one"
        )
    known = (
        BrokerError, BundleError, ContractError, GroupError, KafkaError, LineError, ProfileError,
        SettingsError, SnapshotError, TopicsError, UpstreamError,
    )  # fmt: skip
    return str(error) if isinstance(error, known) else None
