"""Who may see a page, and the headers of every answer; for any web framework."""

import hmac
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256

from aiohttp import web

from stream_app.settings import SettingsError

log = logging.getLogger(__name__)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOOPBACK = "127.0.0.1"
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,}")
"""What a bearer token may look like (RFC 6750), and not be guessed by trying."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Compares tokens in constant time. Made without a token it lets everybody in."""

    def __init__(self, token: str) -> None:
        """Raises SettingsError for a token that a header cannot carry or that is too short."""
        if token and not TOKEN.fullmatch(token):
            raise SettingsError(
                "STREAM_APP_HTTP_TOKEN must be 16 or more of A-Z a-z 0-9 . _ ~ + / = -: "
                "`openssl rand -hex 32` makes one"
            )
        self._digest = _digest(token) if token else None

    @property
    def requires_token(self) -> bool:
        """Whether a request must bring a token."""
        return self._digest is not None

    def is_token(self, token: str) -> bool:
        """Whether that is the token; the time tells nothing of how wrong it is."""
        # Digests are of one length, so that the time tells nothing, not even that of the token.
        return self._digest is None or hmac.compare_digest(_digest(token), self._digest)

    def cookie(self, name: str) -> str:
        """The value of a cookie that stands for the token on the page of that name. It is a keyed
        hash: the token cannot be computed from it."""
        return hmac.new(self._digest or b"", name.encode(), sha256).hexdigest()

    def allowed(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header, None where there is none, is enough."""
        if self._digest is None:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        return self.is_token(given.strip()) and scheme.lower() == "bearer"


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()


def for_host(host: str, token: str) -> Guard:
    """The guard of what listens at a host; raises SettingsError where it can be reached from
    outside and there is no token."""
    if not token and not is_loopback(host):
        raise SettingsError(
            f"{host} can be reached from outside: "
            "set STREAM_APP_HTTP_TOKEN, for instance to what `openssl rand -hex 32` prints"
        )
    return Guard(token)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. A name other than localhost counts as outside."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def protect(app: web.Application, guard: Guard, open_paths: frozenset[str]) -> None:
    """Let an aiohttp application ask the guard for every page but `open_paths`, those that are
    not there included, and put the headers on every answer but that to what is no HTTP."""

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        known = request.path in open_paths or guard.allowed(request.headers.get("Authorization"))
        if not known:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception:
            # Left to aiohttp the answer would come without our headers.
            log.exception("page %s failed", request.path)
            raise web.HTTPInternalServerError from None

    async def head(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        # Nobody needs to know the versions.
        response.headers["Server"] = "stream-app"

    app.middlewares.append(ask)
    app.on_response_prepare.append(head)
