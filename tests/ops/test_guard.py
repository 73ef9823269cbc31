"""Who may see a page: the token's rule, and a real aiohttp application behind it."""

import asyncio
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from aiohttp import web

from stream_app.ops import guard as guards
from stream_app.ops import server
from stream_app.ops.guard import HEADERS, Guard
from stream_app.settings import Settings, SettingsError, load

TOKEN = "0123456789abcdef-._~+/="


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_the_token_opens(given: str) -> None:
    assert Guard(TOKEN).allowed(given)


@pytest.mark.parametrize(
    "given",
    [
        None, "", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x", f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN}, Bearer {TOKEN}",
        "Bearer é\udcff中", "Bearer " + "x" * 100_000,
    ],
)  # fmt: skip
def test_anything_else_does_not(given: str | None) -> None:
    assert not Guard(TOKEN).allowed(given)
    assert Guard("").allowed(given)


@pytest.mark.parametrize("token", ["short", " " * 20, "x" * 20 + "\n", "parole d'été aux murs"])
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Guard(token)
    assert token.strip() not in str(caught.value) or not token.strip()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("", True), ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.7", False), ("worker", False),
        ("127.0.0.1.example.org", False), ("::ffff:10.0.0.7", False),
    ],
)  # fmt: skip
def test_outside_needs_a_token(host: str, inside: bool) -> None:
    settings = Settings(http_host=host, http_port=1)
    if inside:
        assert guards.for_host(host or "127.0.0.1", "").allowed(None)
    else:
        with pytest.raises(SettingsError, match="set STREAM_APP_HTTP_TOKEN") as caught:
            server.listen(settings)
        assert "\n" not in str(caught.value)
    guarded = guards.for_host(host, TOKEN)
    assert not guarded.allowed(None) and guarded.allowed(f"Bearer {TOKEN}")


def test_the_token_comes_from_the_environment_alone(tmp_path: Path) -> None:
    file = tmp_path / "stream-app.toml"
    file.write_text(f'http_token = "{TOKEN}"')
    with pytest.raises(SettingsError, match="set STREAM_APP_HTTP_TOKEN"):
        load(file, environ={})
    settings = load(environ={"STREAM_APP_HTTP_TOKEN": TOKEN})
    assert settings.http_token == TOKEN and TOKEN not in repr(settings)


def test_a_port_that_is_taken_is_told_in_a_line(free_port: int) -> None:
    settings = Settings(http_port=free_port)
    taken = server.listen(settings)
    assert taken is not None
    with taken.socket, pytest.raises(SettingsError, match=f"{free_port}: Address already in use"):
        server.listen(settings)
    with pytest.raises(SettingsError, match="http_port 99999"):
        server.listen(Settings(http_port=99999))
    assert server.listen(Settings()) is None


async def ask(
    port: int, method: str, path: str, headers: dict[str, str]
) -> tuple[int, Message, str]:
    """Status, headers and body of an answer; the path goes out as it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", "Host: here", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    status, _, rest = head.partition("\r\n")
    return int(status.split()[1]), message_from_string(rest), body


FOREIGN = [
    f"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode("latin-1")
    for method in ("GET", "POST", "CONNECT", "[")
    for path in ("/page", "http://[", "//[", "*", "[", "http://h:99999/", "/%", "/\xff", "?[")
    for headers in (
        "Host: [", "Host: a]:x", "Host:", "Host: \xe9", "Host: a\r\nHost: b", "A: b",
        "Host: a\r\nCookie: [\x01", "Host: a\r\nAuthorization: Bearer \xff", "Host: a\r\n:",
        "Host: a\r\nContent-Length: -1", "Host: a\r\nUpgrade: websocket\r\nConnection: upgrade",
    )
]  # fmt: skip
"""Requests that no browser makes."""


async def raw_status(port: int, request: bytes) -> int | None:
    """Status of the answer to any bytes; None: closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    first = await reader.readline()
    writer.close()
    return int(first.split()[1]) if first else None


async def test_every_answer_is_guarded_and_has_the_headers(free_port: int) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="seen")

    async def broken(request: web.Request) -> web.Response:
        raise RuntimeError("inner words")

    app = web.Application()
    guards.protect(app, Guard(TOKEN), frozenset({"/open"}))
    for path, handler in (("/open", page), ("/page", page), ("/broken", broken)):
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", free_port).start()
    known = {"Authorization": f"Bearer {TOKEN}"}
    expected = [
        ("GET", "/open", {}, 200), ("GET", "/page", {}, 401), ("GET", "/page", known, 200),
        ("HEAD", "/page", {}, 401), ("POST", "/page", known, 405), ("POST", "/open", {}, 405),
        ("GET", "/nowhere", {}, 401), ("GET", "/nowhere", known, 404),
        ("GET", "/open/", {}, 401), ("GET", "//open", {}, 401), ("GET", "/%6Fpen", {}, 200),
        ("GET", "/open/../page", {}, 401), ("GET", "/page?token=" + TOKEN, {}, 401),
        ("GET", "/page", {"Authorization": f"Basic {TOKEN}"}, 401),
        ("GET", "/broken", {}, 401), ("GET", "/broken", known, 500),
        ("GET", "http://elsewhere/page", {}, 401), ("GET", "/\x00open", {}, 400),
    ]  # fmt: skip
    try:
        for line in FOREIGN:
            assert await raw_status(free_port, line) in (None, 400, 401, 404, 405), line
        for method, path, given, status in expected:
            found, headers, body = await ask(free_port, method, path, given)
            assert found == status, (method, path)
            assert status == 400 or set(headers.items()) >= set(HEADERS.items())
            assert status == 400 or headers["Server"] == "stream-app"
            assert status != 401 or headers["WWW-Authenticate"] == "Bearer"
            assert ("seen" in body) == (status == 200)
            assert "inner words" not in body
    finally:
        await runner.cleanup()
