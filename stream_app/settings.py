"""All settings: defaults, then one TOML file, then `STREAM_APP_*` variables."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

PREFIX = "STREAM_APP_"
SECRETS = ("sasl_password", "ssl_key_password", "http_token")


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one deployment runs. Every field is also a variable: `STREAM_APP_BROKER`, …"""

    broker: str = "127.0.0.1:9092"
    """Bootstrap servers, `host:port[,host:port]`."""
    app: str = "stream-app"
    """Consumer group, and the name before the changelog topics."""
    prefix: str = ""
    """Put before every topic's name."""
    profile: str = "shop"
    """A shipped profile's name, or the path of a TOML file."""
    bundle: str = ""
    """Folder of the model bundle; empty: the shipped one."""
    recommender: str = ""
    """Folder that `recommend train` wrote; empty: only the sources that need no training."""
    data_dir: str = ".stream-app"
    """Where this worker keeps its tables; never shared by two workers."""

    partitions: int = 4
    """Of every partitioned topic; fixed once topics exist."""
    replication: int = 1
    retention_hours: float = 168
    standby_replicas: int = 0
    """Workers that keep a warm copy of each table partition."""

    idempotent: bool = True
    """Producers retry without reordering; the embedded broker cannot."""
    session_timeout: float = 30
    """Seconds until a silent worker's partitions move."""
    stop_seconds: float = 8
    """After SIGTERM a worker ends within these."""
    fetch_wait_ms: int = 500
    """How long the broker may hold a fetch that has no data."""
    linger_ms: int = 2

    provider: Literal["tensorrt", "cuda", "cpu"] = "tensorrt"
    """Where inference runs; where it cannot, the next of the three is taken. Int8 bundles run on
    the CPU, and TensorRT takes those of `quantise --standard`."""
    threads: int = 0
    """Inference threads; 0: one a core, one with a GPU."""
    batch_rows: int = 512
    batch_bytes: int = 262_144
    """Bounds of what is taken at once from the buffer, which holds twice as much."""
    max_text: int = 10_000
    """Characters; longer texts are dead letters."""
    future_seconds: float = 86_400
    """Event times further ahead than this are dead letters."""
    recommend: int = 10
    """Items in a recommendation."""

    http_host: str = ""
    """Where the worker's pages are served: metrics and health; empty: loopback."""
    http_port: int = 0
    """0: no pages."""
    http_token: str = ""
    """Only from STREAM_APP_HTTP_TOKEN: what a page asks for, as bearer token. Without it only
    loopback is served."""

    log_format: Literal["text", "json"] = "text"
    """JSON: one object a line."""

    dashboard_host: str = "127.0.0.1"
    """Where `stream-app dashboard` listens; beyond loopback only with STREAM_APP_HTTP_TOKEN set."""
    dashboard_port: int = 8080
    dashboard_hours: float = 24
    """How far back the dashboard reads when it starts."""

    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: str = ""
    """Only from STREAM_APP_SASL_PASSWORD."""
    ssl_cafile: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""
    ssl_key_password: str = ""
    """Only from STREAM_APP_SSL_KEY_PASSWORD."""

    def __repr__(self) -> str:
        shown = {name: value for name, value in msgspec.structs.asdict(self).items()}
        for secret in SECRETS:
            shown[secret] = "***" if shown[secret] else ""
        return f"Settings({shown})"


def load(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, **overrides: Any
) -> Settings:
    """The settings in force; raises SettingsError.

    Without `path`: `STREAM_APP_CONFIG`, else `stream-app.toml` in this folder if it is there.
    """
    values: dict[str, Any] = {}
    if path is None and environ.get(PREFIX + "CONFIG"):
        path = Path(environ[PREFIX + "CONFIG"])
    if path is None and Path("stream-app.toml").exists():
        path = Path("stream-app.toml")
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path}: {error}") from None
        for secret in SECRETS:
            if secret in values:
                raise SettingsError(
                    f"{path}: {secret} must not stand in a file; set {PREFIX}{secret.upper()}"
                )
    for field in msgspec.structs.fields(Settings):
        text = environ.get(PREFIX + field.name.upper())
        if text is not None:
            values[field.name] = text if _is_text(field.type) else _scalar(text)
    values.update({name: value for name, value in overrides.items() if value is not None})
    try:
        settings = msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings: {error}") from None
    if settings.partitions < 1 or settings.batch_rows < 1 or settings.batch_bytes < 1:
        raise SettingsError("settings: partitions, batch_rows and batch_bytes must be positive")
    return settings


def environment(settings: Settings) -> dict[str, str]:
    """The variables under which another process has these settings."""
    defaults = msgspec.structs.asdict(Settings())
    return {
        PREFIX + name.upper(): str(value)
        for name, value in msgspec.structs.asdict(settings).items()
        if value != defaults[name]
    }


def _is_text(kind: Any) -> bool:
    return kind is str or (get_origin(kind) is Literal and isinstance(get_args(kind)[0], str))


def _scalar(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def security(settings: Settings) -> dict[str, Any]:
    """The connection arguments that every aiokafka client takes."""
    arguments: dict[str, Any] = {"security_protocol": settings.security}
    if settings.security in ("SSL", "SASL_SSL"):
        from aiokafka.helpers import create_ssl_context

        arguments["ssl_context"] = create_ssl_context(
            cafile=settings.ssl_cafile or None,
            certfile=settings.ssl_certfile or None,
            keyfile=settings.ssl_keyfile or None,
            password=settings.ssl_key_password or None,
        )
    if settings.security.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password,
        }
    return arguments
