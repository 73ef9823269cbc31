"""Who gets in: tokens, cookies, hosts, and pages of other sites."""

import pytest

pytest.importorskip("nicegui")

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream_app.dashboard.guard import (
    COOKIE,
    SECURITY,
    Guard,
    allowed,
    cookie_for,
    is_loopback,
    same_site,
    token_for,
)
from stream_app.settings import SettingsError

TOKEN = "a-token-of-the-tests"


def test_beyond_loopback_a_token_is_needed() -> None:
    assert token_for("127.0.0.1", {}) is None
    assert token_for("::1", {}) is None
    for host in ("0.0.0.0", "::", "10.0.0.1", "dashboard.example"):
        with pytest.raises(SettingsError, match=f"{host} is not loopback: set STREAM_APP_HTTP"):
            token_for(host, {})
        assert token_for(host, {"STREAM_APP_HTTP_TOKEN": TOKEN}) == TOKEN
    # One that is set is asked for on loopback too, and a short one is nowhere enough.
    assert token_for("127.0.0.1", {"STREAM_APP_HTTP_TOKEN": TOKEN}) == TOKEN
    for host in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(SettingsError, match="has 5 characters") as caught:
            token_for(host, {"STREAM_APP_HTTP_TOKEN": "short"})
        assert "short" not in str(caught.value)


def test_the_token_or_its_cookie_opens() -> None:
    assert allowed(f"Bearer {TOKEN}", None, TOKEN)
    assert allowed(f"bearer {TOKEN}", None, TOKEN)
    assert allowed(None, cookie_for(TOKEN), TOKEN)
    for authorization in (None, "", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "é 锁"):
        assert not allowed(authorization, None, TOKEN)
    for cookie in ("", TOKEN, cookie_for(TOKEN + "x"), "锁"):
        assert not allowed(None, cookie, TOKEN)
    assert TOKEN not in cookie_for(TOKEN)


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
        (None, None, False),
    ):
        assert not same_site(host, origin, open_to_all)
    assert is_loopback("localhost") and not is_loopback("localhost.evil.example")


def client(token: str | None, host: str = "127.0.0.1:8080") -> TestClient:
    async def page(request: object) -> PlainTextResponse:
        return PlainTextResponse("figures")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("figures")
        await websocket.close()

    app = Starlette(routes=[Route("/", page), WebSocketRoute("/socket", socket)])
    return TestClient(Guard(app, token), base_url=f"http://{host}", follow_redirects=False)


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
    cookie = f"{COOKIE}={cookie_for(TOKEN)}"
    assert heard(browser, host="dash.example", cookie=cookie) == "figures"
    fresh = client(TOKEN, "dash.example")
    assert fresh.get("/", headers={"authorization": f"Bearer {TOKEN}"}).text == "figures"
    assert fresh.get("/", headers={"cookie": "a=b; ]["}).status_code == 401
