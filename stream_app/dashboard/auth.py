"""Who may see the page.

On loopback anybody on this machine, by this machine's name. Elsewhere, or where a token is set,
who knows the token: in an `Authorization: Bearer` header, or typed once into a form that keeps a
cookie made from it. Pages of other sites may neither read nor write through a visitor's browser.
"""

import hmac
import re
from html import escape
from http.cookies import CookieError, SimpleCookie
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_app.ops.guard import Guard, is_loopback
from stream_app.settings import PREFIX

VARIABLE = PREFIX + "HTTP_TOKEN"
COOKIE = "stream_app_dashboard"
LOGIN = "/login"
MOST = 4096
"""Bytes of a login."""
_HOST = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
)

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


def hostname(header: str) -> str | None:
    """The name or address in a Host header, without its port; None: the header is malformed.

    Stricter than RFC 9110: what a URL could not be made of again would fail somewhere behind us.
    """
    match = _HOST.fullmatch(header)
    if match is None or int(match["port"] or 0) > 65_535:
        return None
    if match["name"]:
        return match["name"]
    try:
        return str(IPv6Address(match["six"]))
    except AddressValueError:
        return None


def same_site(host: str, origin: str | None, open_to_all: bool) -> bool:
    """Whether a request is for us and from a page of ours, or from no page.

    `host`: a Host header that is well formed; `origin`: an Origin header, None where there is
    none. `open_to_all`: no token is asked for, so the name must be this machine's: a foreign name
    that was made to point here (DNS rebinding) is refused.
    """
    if open_to_all and not is_loopback(hostname(host) or ""):
        return False
    return origin is None or origin in (f"http://{host}", f"https://{host}")


class AuthMiddleware:
    """ASGI middleware around everything, web sockets too."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    def _allowed(self, headers: Headers) -> bool:
        cookie = _cookie(headers.get("cookie")) or ""
        kept = hmac.compare_digest(cookie.encode(), self._guard.cookie(COOKIE).encode())
        return self._guard.allowed(headers.get("authorization")) or kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY)
            await send(message)

        hosts = headers.getlist("host")
        if len(hosts) != 1 or hostname(hosts[0]) is None:
            await self._refuse(scope, receive, secured, 400, "malformed Host header")
        elif not same_site(hosts[0], headers.get("origin"), not self._guard.requires_token):
            await self._refuse(scope, receive, secured)
        elif self._allowed(headers):
            await self._app(scope, receive, secured)
        elif scope["type"] == "http":
            await self._login(Request(scope, receive), secured)
        else:
            await self._refuse(scope, receive, secured)

    async def _refuse(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        status: int = 403,
        reason: str = "not for this address",
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await PlainTextResponse(reason, status)(scope, receive, send)

    async def _login(self, request: Request, send: Send) -> None:
        wrong = False
        if request.method == "POST" and request.url.path == LOGIN:
            given = await _form(request)
            if given and self._guard.is_token(given):
                response = RedirectResponse("/", 303)
                response.set_cookie(
                    COOKIE, self._guard.cookie(COOKIE), max_age=30 * 86_400, httponly=True,
                    samesite="strict", secure=request.url.scheme == "https",
                )  # fmt: skip
                await response(request.scope, request.receive, send)
                return
            wrong = True
        page = HTMLResponse(_page(wrong), 401, {"Cache-Control": "no-store"})
        await page(request.scope, request.receive, send)


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
    error = '<p role="alert">That is not the token. / 令牌不对。</p>' if wrong else ""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>stream-app</title>
<style>body{{font:16px system-ui,sans-serif;display:grid;place-items:center;min-height:90vh}}
input,button{{font:inherit;padding:.6rem;margin-top:.5rem}}</style>
<main><h1>stream-app</h1>{error}<form method="post" action="{LOGIN}">
<label>Token / 令牌<br><input name="token" type="password" autofocus required
autocomplete="current-password"></label> <button>Open / 打开</button></form>
<p>{escape(VARIABLE)}</p></main></html>"""
