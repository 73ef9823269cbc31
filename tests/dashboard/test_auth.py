"""Who gets in: tokens, cookies, hosts, and pages of other sites."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream_app.dashboard.auth import COOKIE, SECURITY, Doorway, same_site
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
        (None, None, False),
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
        Doorway(app, Guard(token or "")), base_url=f"http://{host}", follow_redirects=False
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
