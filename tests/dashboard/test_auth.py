"""Who gets in: tokens, cookies, hosts, and pages of other sites."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream_app.dashboard.auth import COOKIE, SECURITY, AuthMiddleware, same_site
from stream_app.ops.guard import Guard

TOKEN = "a-token-of-the-tests"


def test_the_token_or_its_cookie_opens() -> None:
    def status(**headers: str) -> int:
        response = client(TOKEN, "dash.example").get("/", headers=headers)
        return int(response.status_code)

    assert status(authorization=f"Bearer {TOKEN}") == 200
    assert status(cookie=f"{COOKIE}={Guard(TOKEN).cookie(COOKIE)}") == 200
    for authorization in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN):
        assert status(authorization=authorization) == 401
    for cookie in ("", TOKEN, Guard(TOKEN + "x").cookie(COOKIE), Guard(TOKEN).cookie("other")):
        assert status(cookie=f"{COOKIE}={cookie}") == 401
    assert TOKEN not in Guard(TOKEN).cookie(COOKIE)


def test_other_sites_and_rebound_names_are_told_apart() -> None:
    assert same_site("127.0.0.1:8080", None, True)
    assert same_site("localhost:8080", "http://localhost:8080", True)
    assert same_site("[::1]:8080", "http://[::1]:8080", True)
    assert same_site("dash.example", "https://dash.example", False)
    for host, origin, open_to_all in (
        ("127.0.0.1:8080", "https://evil.example", True),
        ("127.0.0.1:8080", "http://127.0.0.1:9999", True),
        ("127.0.0.1:8080", "null", True),
        ("evil.example", None, True),
        ("evil.example", "http://evil.example", True),
        ("dash.example", "https://evil.example", False),
        ("dash.example", "https://dash.example.evil", False),
        ("dash.example", "file://dash.example", False),
    ):
        assert not same_site(host, origin, open_to_all)


def client(token: str | None, host: str = "127.0.0.1:8080") -> TestClient:
    async def page(request: object) -> PlainTextResponse:
        return PlainTextResponse("figures")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("figures")
        await websocket.close()

    app = Starlette(routes=[Route("/", page), WebSocketRoute("/socket", socket)])
    return TestClient(
        AuthMiddleware(app, Guard(token or "")), base_url=f"http://{host}", follow_redirects=False
    )


def heard(browser: TestClient, **headers: str) -> str:
    with browser.websocket_connect("/socket", headers=headers) as socket:
        return socket.receive_text()


def test_without_a_token_only_this_machine_by_its_name() -> None:
    browser = client(None)
    answer = browser.get("/")
    assert answer.text == "figures"
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert heard(browser, host="127.0.0.1:8080") == "figures"
    assert browser.get("/", headers={"origin": "https://evil.example"}).status_code == 403
    assert client(None, "evil.example").get("/").status_code == 403
    with pytest.raises(WebSocketDisconnect):
        heard(browser, host="127.0.0.1:8080", origin="https://evil.example")


def test_with_a_token_a_form_and_then_a_cookie() -> None:
    browser = client(TOKEN, "dash.example")
    asked = browser.get("/")
    assert asked.status_code == 401
    assert "figures" not in asked.text and 'name="token"' in asked.text
    assert asked.headers["x-frame-options"] == "DENY"
    with pytest.raises(WebSocketDisconnect):
        heard(browser, host="dash.example")
    wrong = browser.post("/login", data={"token": "wrong"})
    assert wrong.status_code == 401 and COOKIE not in wrong.cookies
    huge = browser.post("/login", data={"token": "x" * 10_000})
    assert huge.status_code == 401
    assert browser.post("/other", data={"token": TOKEN}).status_code == 401
    right = browser.post("/login", data={"token": TOKEN})
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= set(right.headers["set-cookie"].split("; "))
    assert TOKEN not in right.headers["set-cookie"]
    assert browser.get("/").text == "figures"
    cookie = f"{COOKIE}={Guard(TOKEN).cookie(COOKIE)}"
    assert heard(browser, host="dash.example", cookie=cookie) == "figures"
    fresh = client(TOKEN, "dash.example")
    assert fresh.get("/", headers={"authorization": f"Bearer {TOKEN}"}).text == "figures"
    assert fresh.get("/", headers={"cookie": "a=b; ]["}).status_code == 401


MALFORMED = (
    "[", "a]", "[::1", "[]", "[v1.x]", "[::1]x", "[::1%25lo]", "localhost:", "localhost:x",
    "localhost:99999999", "localhost:80:80", "@localhost", "localhost@evil", "localhost/evil",
    "localhost?x", "localhost#x", "", ":", " ", "a b", "127.0.0.1\\evil", "é", "\x00", "a\u2100b",
)  # fmt: skip
TEXT = st.text(st.characters(max_codepoint=255))
NEAR = st.text(st.sampled_from("[]:@/?#%\\. 01ax\xe9"), max_size=12)


@pytest.mark.parametrize("host", MALFORMED)
@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_malformed_host_is_a_bad_request(host: str, token: str) -> None:
    raw = [(b"host", host.encode("latin-1", "replace"))]
    for path in ("/", "/login"):
        assert answered(token, path, raw) == 400
    assert answered(token, "/", []) == 400
    assert answered(token, "/", [(b"host", b"localhost"), (b"host", b"localhost")]) == 400


@settings(deadline=None)
@given(
    st.sampled_from(["", TOKEN]),
    st.sampled_from(["/", "/login", "/other"]),
    st.lists(
        st.tuples(
            st.sampled_from(["host", "origin", "cookie", "authorization", "content-type"]),
            TEXT | NEAR | st.just("localhost:8080"),
        ),
        max_size=4,
    ),
    st.binary(max_size=40),
)
def test_no_header_is_a_failure_of_ours(
    token: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    for method in ("GET", "POST"):
        assert answered(token, path, raw, method, body) in (200, 303, 400, 401, 403)


def answered(
    token: str, path: str, raw: list[tuple[bytes, bytes]], method: str = "GET", body: bytes = b""
) -> int:
    """The status, of headers that no client library would send."""
    statuses: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        # As the pages do: the whole URL, which is made of the Host header.
        assert Request(scope).url.hostname
        await PlainTextResponse("figures")(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": raw, "scheme": "http", "server": ("127.0.0.1", 8080),
        "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(AuthMiddleware(app, Guard(token))(scope, receive, send))
    (status,) = statuses
    return status
