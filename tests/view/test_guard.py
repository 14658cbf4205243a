"""Nobody but the user's own browser gets an answer."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from ecgstore.view.guard import Guard

TOKEN = "a-token-of-43-letters"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was sent."""
    try:
        body = await Request(scope, receive).body()
    except ClientDisconnect:
        body = b"given up"
    await PlainTextResponse(b"let in: " + body)(scope, receive, send)


def ask(
    path: str = "/api/store",
    method: str = "GET",
    host: str = "127.0.0.1:8731",
    cookies: dict[str, str] | None = None,
    guard: Guard | None = None,
    **options: Any,
) -> httpx.Response:
    """Ask a guarded application; with the right cookie if none is given."""
    guard = guard or Guard(echo, TOKEN, {"127.0.0.1", "localhost", "::1"})

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(guard)
        jar = {guard.cookie: guard.secret} if cookies is None else cookies
        headers = {
            "Host": host,
            "Cookie": "; ".join(f"{name}={value}" for name, value in jar.items()),
            **options.pop("headers", {}),
        }
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1"
        ) as client:
            return await client.request(method, path, headers=headers, **options)

    return asyncio.run(answer())


def test_the_token_of_the_address_is_exchanged_for_a_cookie() -> None:
    guard = Guard(echo, TOKEN)
    entered = ask(f"/?token={TOKEN}&a=1", cookies={}, guard=guard)
    assert entered.status_code == 303
    assert entered.headers["location"] == "/?a=1"
    cookie = entered.headers["set-cookie"]
    name, _, value = cookie.partition(";")[0].partition("=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {*cookie.split("; ")}
    assert TOKEN not in cookie
    assert ask(cookies={name: value}, guard=guard).text == "let in: "
    for wrong in ({name: value[:-1]}, {"ecgstore": value}, {name: TOKEN}, {name: ""}):
        assert ask(cookies=wrong, guard=guard).status_code == 401
    assert ask(cookies={name: value}).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/", "/api/store", "/?token=", "/?token=other", f"/api/store?token={TOKEN}"],
)
def test_without_the_token_nothing_is_answered(path: str) -> None:
    refused = ask(path, cookies={})
    assert refused.status_code == 401
    assert "let in" not in refused.text
    assert "set-cookie" not in refused.headers


def test_a_redirect_stays_on_this_host() -> None:
    for path in ("//evil.example/", "/\\evil.example/"):
        location = ask(f"{path}?token={TOKEN}", cookies={}).headers["location"]
        assert not location.startswith(("//", "/\\"))


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/é中", "/%C3%A9%E4%B8%AD"),
        ("/%09/evil.example", "/%09/evil.example"),
        ("/a%0d%0aSet-Cookie:%20a", "/a%0D%0ASet-Cookie%3A%20a"),
        ("/%5c%09evil.example", "/%09evil.example"),
    ],
)
def test_the_place_of_a_redirect_is_quoted(path: str, location: str) -> None:
    """Browsers leave tabs and line breaks out of addresses."""
    entered = ask(f"{path}?token={TOKEN}", cookies={})
    assert entered.status_code == 303
    assert entered.headers["location"] == location


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:1", "localhost:9000", "LOCALHOST:9000", "[::1]:8731"],
)
def test_any_port_of_this_machine_will_do(host: str) -> None:
    """Forwarding over SSH changes the port."""
    assert ask(host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8731",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "evil.example#localhost",
        "127.0.0.1:8731:80",
        "127.0.0.1:x",
        "",
        "[::1",
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    assert ask(host=host).status_code == 403
    assert ask(f"/?token={TOKEN}", host=host, cookies={}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://127.0.0.1:8731",
        "http://127.0.0.1:8732",
        "http://127.0.0.1:8731.evil.example",
        "http://localhost:8731",
    ],
)
def test_pages_of_other_sites_are_refused(origin: str) -> None:
    assert ask(headers={"Origin": origin}).status_code == 403
    posted = ask(method="POST", json={}, headers={"Origin": origin})
    assert posted.status_code == 403


def test_changes_need_the_origin_and_json() -> None:
    own = {"Origin": "http://127.0.0.1:8731"}
    assert ask(method="POST", json={"a": 1}, headers=own).text == 'let in: {"a":1}'
    assert ask(method="POST", json={}).status_code == 403
    form = ask(method="POST", data={"a": "1"}, headers=own)
    assert form.status_code == 403
    text = ask(
        method="POST", content="{}", headers={**own, "Content-Type": "text/plain"}
    )
    assert text.status_code == 403
    assert ask(method="DELETE", headers=own).status_code == 403


def test_long_requests_are_refused() -> None:
    headers = {"Origin": "http://127.0.0.1:8731", "Content-Type": "application/json"}
    long = b" " * 70_000
    assert ask(method="POST", content=long, headers=headers).status_code == 413

    endless = {**headers, "Content-Length": "9" * 5000}
    assert ask(method="POST", content=b"", headers=endless).status_code == 413

    async def pieces() -> Any:
        for _ in range(70):
            yield b" " * 1000

    chunked = ask(method="POST", content=pieces(), headers=headers)
    assert chunked.status_code == 413
    lying = {**headers, "Content-Length": "10"}
    assert (
        ask(method="POST", content=pieces(), headers=lying).text == "let in: given up"
    )


def test_every_answer_has_the_headers_that_keep_it_here() -> None:
    for answer in (ask(), ask(cookies={}), ask(host="evil.example")):
        headers = answer.headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert not [name for name in headers if name.startswith("access-control")]


def test_two_viewers_of_one_host_have_cookies_of_their_own() -> None:
    """A browser sends the cookies of a host to all of its ports."""
    assert Guard(echo, "one").cookie != Guard(echo, "other").cookie


def test_no_name_is_none_of_the_viewer() -> None:
    for host in ("", "[::1", "a@"):
        assert ask(host=host, guard=Guard(echo, TOKEN, {""})).status_code == 403


def test_everywhere_the_viewer_goes_by_the_address_of_the_connection() -> None:
    """The transport of these tests says that it is 127.0.0.1."""
    guard = Guard(echo, TOKEN, {"machine"}, any_address=True)
    for host in ("127.0.0.1:8731", "machine", "MACHINE:1"):
        assert ask(host=host, guard=guard).status_code == 200
    for host in ("evil.example", "127.0.0.2", "0.0.0.0"):
        assert ask(host=host, guard=guard).status_code == 403
    closed = Guard(echo, TOKEN, {"machine"})
    assert ask(host="127.0.0.1", guard=closed).status_code == 403
