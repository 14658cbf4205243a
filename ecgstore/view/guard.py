"""Let only the browser of the user in: token, cookie, Host, Origin, headers."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN: Final = "token"
"""Parameter of the address that the command prints."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

_MOST_BYTES: Final = 1 << 16
"""Of the body of a request."""

_MOST_DIGITS: Final = 20
"""Of the number that says how long it is."""

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_NO_ACCESS: Final = (
    "This viewer shows records of patients to those only who started it: open the "
    "address that `ecgstore view` printed, with its token."
)


class Guard:
    """An application that answers to requests of the user's own browser alone.

    Whoever can reach the port sees nothing without the token: other users of the
    machine, and pages of other sites in the same browser, whose requests have another
    Origin, or another Host where they make their name point here.

    Parameters
    ----------
    app : ASGI application
        What answers requests that are let in.
    token : str
        The secret of this start.
    hosts : iterable of str
        Names by which the viewer may be called, with any port: forwarding changes it.
    any_address : bool
        Whether it may also be called by the address that a request came in at.

    Attributes
    ----------
    cookie, secret : str
        Name and value of the cookie that the token is exchanged for. Browsers send it
        to other servers of this host, too, so it is not the token.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        hosts: Iterable[str] = LOOPBACK,
        *,
        any_address: bool = False,
    ) -> None:
        self._app = app
        self._token = token
        self._hosts = {host.lower() for host in hosts}
        self._any_address = any_address
        self.secret = secrets.token_urlsafe(32)
        digest = hashlib.sha256(token.encode()).hexdigest()
        # Cookies are shared by all ports of a host: each viewer has one of its own.
        self.cookie = f"ecgstore-{digest[:16]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
        else:
            await self._app(scope, _limited(receive), send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is not let in; None if it is."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_own(_name(hosts[0]), scope):
            return _refused("this viewer does not go by that name", 403)
        origins = headers.getlist("origin")
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            return _refused("pages of other sites may not ask this viewer", 403)
        if scope["method"] not in ("GET", "HEAD"):
            media = headers.get("content-type", "").partition(";")[0].strip()
            if not origins or media != "application/json":
                return _refused("expected JSON from this viewer's own page", 403)
            length = headers.get("content-length", "")
            is_number = length.isdecimal() and len(length) <= _MOST_DIGITS
            if not is_number or int(length) > _MOST_BYTES:
                return _refused(f"expected at most {_MOST_BYTES} bytes", 413)
        if scope["method"] == "GET" and not scope["path"].startswith("/api/"):
            entering = self._entering(scope)
            if entering is not None:
                return entering
        if not _is_equal(_cookies(headers).get(self.cookie, ""), self.secret):
            return _refused(_NO_ACCESS, 401)
        return None

    def _entering(self, scope: Scope) -> Response | None:
        """Return what exchanges the token of an address for a cookie."""
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        tokens = [value for name, value in query if name == TOKEN]
        if not tokens:
            return None
        if not _is_equal(tokens[0], self._token):
            return _refused(_NO_ACCESS, 401)
        rest = urlencode([pair for pair in query if pair[0] != TOKEN])
        answer = Response(
            status_code=303,
            headers={"Location": f"{_local(scope['path'])}{'?' if rest else ''}{rest}"},
        )
        # Lax: a strict one would not be sent where the file that holds the address of
        # this viewer leads here. What changes something is checked by its Origin.
        answer.set_cookie(
            self.cookie, self.secret, path="/", httponly=True, samesite="lax"
        )
        return answer

    def _is_own(self, name: str, scope: Scope) -> bool:
        """Return whether the viewer goes by a name."""
        if name in self._hosts:
            return name != ""
        server = scope.get("server")
        return self._any_address and server is not None and name == server[0]


def _is_equal(given: str, secret: str) -> bool:
    """Return whether a text is a secret, in a time that does not tell how near."""
    return hmac.compare_digest(given.encode(), secret.encode())


def _name(host: str) -> str:
    """Return the name in a Host header, without the port; empty if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return name if parts.netloc == host and "@" not in host else ""


def _local(path: str) -> str:
    """Return a path that no browser takes for another host, in ASCII."""
    return "/" + quote(path.lstrip("/\\"), errors="replace")


def _cookies(headers: Headers) -> dict[str, str]:
    """Return the cookies of a request."""
    pairs = (pair.partition("=") for pair in headers.get("cookie", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _refused(message: str, status: int) -> Response:
    """Return the answer to a request that is not let in."""
    return PlainTextResponse(message + "\n", status)


def _limited(receive: Receive) -> Receive:
    """Return a reader of a body that ends where it is longer than allowed."""
    n_bytes = 0

    async def read() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        return message if n_bytes <= _MOST_BYTES else {"type": "http.disconnect"}

    return read
