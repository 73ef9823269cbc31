"""All settings: defaults, then one TOML file, then `STREAM_APP_*` variables.

Every number has a range, which also keeps out NaN and infinity. A name that is no setting is an
error, in the file and in the environment: a mistyped one would silently leave the default.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

PREFIX = "STREAM_APP_"
SECRETS = ("sasl_password", "ssl_key_password", "http_token")
OTHERS = ("CONFIG", "CACHE")
"""Variables that are no settings: the settings file, and where downloads of the broker are kept."""


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
    bundle_root: str = ""
    """Folder in which announced bundles lie, each in a folder of its own; empty: none is taken."""
    bundle_key: str = ""
    """Public key of minisign that announced bundles must be signed with, or several with commas
    between; empty: no announced bundle is taken. `model keygen` makes one."""
    bundle_seconds: Annotated[float, Meta(ge=1, le=3600)] = 60
    bundle_memory_mb: Annotated[int, Meta(ge=16, le=1_048_576)] = 1024
    """What an announced bundle may take while a child process tries it."""
    recommender: str = ""
    """Folder that `recommend train` wrote; empty: only the sources that need no training."""
    data_dir: str = ".stream-app"
    """Where this worker keeps its tables; never shared by two workers."""

    partitions: Annotated[int, Meta(ge=1, le=10_000)] = 4
    """Of every partitioned topic; fixed once topics exist."""
    replication: Annotated[int, Meta(ge=1, le=100)] = 1
    retention_hours: Annotated[float, Meta(ge=0.1, le=1_000_000)] = 168
    instance: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,200}$")] = ""
    """This worker's name in the group: it keeps its partitions over a restart that takes less than
    the session timeout. Empty: they move when it stops."""
    standby_replicas: Annotated[int, Meta(ge=0, le=100)] = 0
    """Workers that keep a warm copy of each table partition."""

    idempotent: bool = True
    """Producers retry without reordering; the embedded broker cannot."""
    session_timeout: Annotated[float, Meta(ge=1, le=1800)] = 30
    """Seconds until a silent worker's partitions move."""
    stop_seconds: Annotated[float, Meta(ge=1, le=3600)] = 8
    """After SIGTERM a worker ends within these."""
    fetch_wait_ms: Annotated[int, Meta(ge=1, le=30_000)] = 500
    """How long the broker may hold a fetch that has no data."""
    linger_ms: Annotated[int, Meta(ge=0, le=10_000)] = 2

    provider: Literal["tensorrt", "cuda", "cpu"] = "tensorrt"
    """Where inference runs; where it cannot, the next of the three is taken. Int8 bundles run on
    the CPU, and TensorRT takes those of `quantise --standard`."""
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    """Inference threads; 0: one a core, one with a GPU."""
    batch_rows: Annotated[int, Meta(ge=1, le=65_536)] = 512
    batch_bytes: Annotated[int, Meta(ge=1, le=1_073_741_824)] = 262_144
    """Bounds of what is taken at once from the buffer, which holds twice as much."""
    max_text: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Characters; longer texts are dead letters."""
    future_seconds: Annotated[float, Meta(ge=0, le=315_360_000)] = 86_400
    """Event times further ahead than this are dead letters."""
    recommend: Annotated[int, Meta(ge=1, le=1000)] = 10
    """Items in a recommendation."""

    http_host: str = ""
    """Where the worker's pages are served: metrics and health; empty: loopback."""
    http_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """0: no pages."""
    http_token: str = ""
    """Only from STREAM_APP_HTTP_TOKEN: what a page asks for, as bearer token. Without it only
    loopback is served."""

    log_format: Literal["text", "json"] = "text"
    """JSON: one object a line."""

    dashboard_host: str = "127.0.0.1"
    """Where `stream-app dashboard` listens; beyond loopback only with STREAM_APP_HTTP_TOKEN set."""
    dashboard_port: Annotated[int, Meta(ge=1, le=65_535)] = 8080
    dashboard_hours: Annotated[float, Meta(ge=0, le=87_600)] = 24
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
    Overrides that are None count as not given.
    """
    if path is None and environ.get(PREFIX + "CONFIG"):
        path = Path(environ[PREFIX + "CONFIG"])
    if path is None and Path("stream-app.toml").exists():
        path = Path("stream-app.toml")
    values = {} if path is None else _from_file(path)
    values |= _from_variables(environ)
    for name, value in overrides.items():
        if value is not None:
            values[name] = _converted(name, value, name)
    return Settings(**values)


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    for secret in SECRETS:
        if secret in found:
            raise SettingsError(
                f"{path}: {secret} must not stand in a file; set {PREFIX}{secret.upper()}"
            )
    _refuse_unknown(f"{path}: unknown setting", found, _TYPES)
    return {name: _converted(name, value, f"{path}: {name}") for name, value in found.items()}


def _from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {PREFIX + name.upper(): name for name in _TYPES}
    ours = [variable for variable in environ if variable.startswith(PREFIX)]
    _refuse_unknown("unknown variable", ours, [*known, *(PREFIX + name for name in OTHERS)])
    return {
        name: _converted(name, environ[variable], variable, strict=False)
        for variable, name in known.items()
        if variable in environ
    }


def _converted(name: str, value: Any, called: str, strict: bool = True) -> Any:
    """A value of the setting's type. `called`: what a person knows the setting by; not `strict`:
    a number may be given as text, as variables do."""
    kind = _TYPES[name]
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError:
        # The value is left out: it may be a secret that went to the wrong name.
        raise SettingsError(f"{called} must be {_described(kind)}") from None


def _described(kind: Any) -> str:
    """What a setting may be, for people."""
    from msgspec import inspect

    match inspect.type_info(kind):
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number from {low:.9g} to {high:.9g}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.BoolType():
            return "true or false"
    return "text"


def _refuse_unknown(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise SettingsError for the first name that is not known, with the nearest that is."""
    known = list(known)
    unknown = sorted(set(names) - set(known))
    if unknown:
        from difflib import get_close_matches

        # Case is no likeness: it is compared without.
        folded = {name.lower(): name for name in known}
        (nearest,) = get_close_matches(unknown[0].lower(), folded, n=1, cutoff=0.0)
        raise SettingsError(f"{what} {unknown[0]}: is {folded[nearest]} meant?")


_TYPES = {field.name: field.type for field in msgspec.structs.fields(Settings)}


def environment(settings: Settings) -> dict[str, str]:
    """The variables under which another process has these settings."""
    defaults = msgspec.structs.asdict(Settings())
    return {
        PREFIX + name.upper(): str(value)
        for name, value in msgspec.structs.asdict(settings).items()
        if value != defaults[name]
    }


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
