"""Who may see the page.

On loopback anybody on this machine, by this machine's name. Elsewhere, or where a token is set,
who knows the token: in an `Authorization: Bearer` header, or typed once into a form that keeps a
cookie made from it. Pages of other sites may neither read nor write through a visitor's browser.
"""

import hashlib
import hmac
from collections.abc import Mapping
from html import escape
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_app.settings import PREFIX, SettingsError

VARIABLE = PREFIX + "HTTP_TOKEN"
SHORTEST = 16
COOKIE = "stream_app_dashboard"
LOGIN = "/login"
MOST = 4096
"""Bytes of a login."""

SECURITY = {
    "Content-Security-Policy": (
        # NiceGUI's Vue compiles its templates in the browser, hence eval.
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    # With "no-referrer" a browser would hide the origin of our own form as well.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address or name."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def token_for(host: str, environ: Mapping[str, str]) -> str | None:
    """The token that is asked for on `host`; None: none. Raises SettingsError."""
    token = environ.get(VARIABLE, "")
    if not token and is_loopback(host):
        return None
    if len(token) < SHORTEST:
        raise SettingsError(
            f"{host} is not loopback: set {VARIABLE} to a secret of {SHORTEST} characters or more"
            if not token
            else f"{VARIABLE} has {len(token)} characters, at least {SHORTEST} are needed"
        )
    return token


def allowed(authorization: str | None, cookie: str | None, token: str) -> bool:
    """Whether a request carries the token or its cookie; takes as long for every wrong one."""
    scheme, _, given = (authorization or "").partition(" ")
    bearer = _same(given.strip(), token) and scheme.lower() == "bearer"
    return bearer | _same(cookie or "", cookie_for(token))


def cookie_for(token: str) -> str:
    """The cookie's value; the token does not follow from it."""
    return hmac.new(token.encode(), b"stream-app dashboard", hashlib.sha256).hexdigest()


def same_site(host: str | None, origin: str | None, open_to_all: bool) -> bool:
    """Whether a request is for us and from a page of ours, or from no page.

    `open_to_all`: no token is asked for, so the name must be this machine's: a foreign name that
    was made to point here (DNS rebinding) is refused.
    """
    if host is None:
        return False
    if open_to_all and not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return False
    return origin is None or urlsplit(origin).netloc == host


class Guard:
    """ASGI middleware around everything, web sockets too."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY)
            await send(message)

        if not same_site(headers.get("host"), headers.get("origin"), self._token is None):
            await self._refuse(scope, receive, secured)
        elif self._token is None or allowed(
            headers.get("authorization"), _cookie(headers.get("cookie")), self._token
        ):
            await self._app(scope, receive, secured)
        elif scope["type"] == "http":
            await self._login(Request(scope, receive), secured)
        else:
            await self._refuse(scope, receive, secured)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await PlainTextResponse("not for this address", 403)(scope, receive, send)

    async def _login(self, request: Request, send: Send) -> None:
        assert self._token is not None
        wrong = False
        if request.method == "POST" and request.url.path == LOGIN:
            given = await _form(request)
            if _same(given, self._token):
                response = RedirectResponse("/", 303)
                response.set_cookie(
                    COOKIE, cookie_for(self._token), max_age=30 * 86_400, httponly=True,
                    samesite="strict", secure=request.url.scheme == "https",
                )  # fmt: skip
                await response(request.scope, request.receive, send)
                return
            wrong = True
        page = HTMLResponse(_page(wrong), 401, {"Cache-Control": "no-store"})
        await page(request.scope, request.receive, send)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _cookie(header: str | None) -> str | None:
    try:
        found = SimpleCookie(header or "").get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


async def _form(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST:
            return ""
    return parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]


def _page(wrong: bool) -> str:
    told = '<p role="alert">That is not the token. / 令牌不对。</p>' if wrong else ""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>stream-app</title>
<style>body{{font:16px system-ui,sans-serif;display:grid;place-items:center;min-height:90vh}}
input,button{{font:inherit;padding:.6rem;margin-top:.5rem}}</style>
<main><h1>stream-app</h1>{told}<form method="post" action="{LOGIN}">
<label>Token / 令牌<br><input name="token" type="password" autofocus required
autocomplete="current-password"></label> <button>Open / 打开</button></form>
<p>{escape(VARIABLE)}</p></main></html>"""
