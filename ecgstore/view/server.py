"""Serve the viewer in the foreground, until Ctrl-C."""

import errno
import html
import os
import re
import secrets
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from ecgstore.errors import EcgStoreError
from ecgstore.storage.rows import load_kernels
from ecgstore.view.app import application
from ecgstore.view.guard import LOOPBACK, TOKEN, Guard
from ecgstore.view.record.details import record_details
from ecgstore.view.record.median_beat import median_beat
from ecgstore.view.record.signal import stored_window
from ecgstore.view.shown import Shown

DEFAULT_PORT: Final = 8731
_TRIED: Final = 100
"""Ports that are tried, from the default one on."""

_ALL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Hosts that mean every address of the machine, and the one for itself among them."""

_HOST: Final = re.compile(r"[A-Za-z0-9._:-]+")

_REDIRECT: Final = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>ecgstore view</title>
<meta http-equiv="refresh" content="0; url={url}">
<p><a href="{url}">The viewer</a></p></html>
"""


def serve(
    shown: Shown,
    server_socket: socket.socket,
    *,
    host: str = LOOPBACK[0],
    browser: bool = True,
    say: Callable[[str], object] = print,
) -> None:
    """Serve until Ctrl-C.

    Parameters
    ----------
    shown : Shown
        What is shown.
    server_socket : socket
        As returned by `listening`.
    host : str
        The address that it listens at.
    browser : bool
        Whether to open the page in the user's browser.
    say : callable
        Prints a line: the address of the page.
    """
    # What the first request would wait for half a second or more.
    load_kernels()
    shown.description()
    token = secrets.token_urlsafe(32)
    name = _ALL.get(host, host)
    name = f"[{name}]" if ":" in name else name
    url = f"http://{name}:{server_socket.getsockname()[1]}/?{TOKEN}={token}"
    say(url)
    Thread(target=_warm, args=(shown,), daemon=True).start()
    app = Guard(
        application(shown), token, names_of(host), any_address=is_everywhere(host)
    )
    with ExitStack() as stack:
        if browser:
            page = stack.enter_context(leading_to(url))
            Thread(target=webbrowser.open, args=(page,), daemon=True).start()
        stack.enter_context(suppress(KeyboardInterrupt))  # which is how it ends
        uvicorn.Server(uvicorn_config(app)).run([server_socket])


@contextmanager
def leading_to(url: str) -> Iterator[str]:
    """Keep a file that leads a browser to an address; its own address has no secret.

    Browsers are programs whose arguments all users of a machine can see; the file is
    in a folder that only this one can read.
    """
    with tempfile.TemporaryDirectory(prefix="ecgstore-view-") as folder:
        page = Path(folder, "viewer.html")
        page.touch(0o600)
        page.write_text(_REDIRECT.format(url=html.escape(url)), encoding="utf-8")
        yield page.as_uri()


def names_of(host: str) -> set[str]:
    """Return the names by which a viewer that listens at a host may be called."""
    names = {*LOOPBACK, host}
    if is_everywhere(host):
        own = socket.gethostname()
        names |= {own, socket.getfqdn()}
        with suppress(OSError):  # a machine need not know its own name
            names |= {str(one[4][0]) for one in socket.getaddrinfo(own, None)}
    return names


def _warm(shown: Shown) -> None:
    """Read the first record as the page will, while the browser starts."""
    with suppress(Exception):  # the page asks again, and gets the error
        if len(shown.store):
            record_details(shown.store, 0)
            stored_window(shown.store, 0, 0, 1)
            median_beat(shown.store, 0)


def uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    """Return settings without a log, in which there would be names of records."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )


def listening(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens at a port.

    Parameters
    ----------
    host : str
        Name or address of this machine.
    port : int, optional
        The port, 0 for any that is free; by default 8731 or the next that is free, so
        that bookmarks and forwarded ports stay right.

    Raises
    ------
    EcgStoreError
        If the port is taken, or the host is none of this machine.
    """
    if not _HOST.fullmatch(host):
        raise EcgStoreError(
            f"--host is {host!r}; expected a name or address of this machine, such as "
            f"{LOOPBACK[0]}, or 0.0.0.0 for all of its addresses"
        )
    ports = range(DEFAULT_PORT, DEFAULT_PORT + _TRIED) if port is None else [port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in ports:
        try:
            server_socket = socket.create_server(
                (host, number), family=family, backlog=128
            )
        except UnicodeError as error:  # a part of the name is empty, or too long
            raise EcgStoreError(
                f"--host is {host!r}; give a name or address of this machine"
            ) from error
        except OSError as error:
            is_taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
            if is_taken and number != ports[-1]:
                continue
            remedy = (
                "give another one with --port"
                if is_taken
                else "give an address of this machine with --host"
            )
            is_known = error.errno is not None and error.errno > 0
            problem = os.strerror(error.errno or 0) if is_known else "no such address"
            raise EcgStoreError(
                f"port {number} of {host} cannot be used ({problem.lower()}); {remedy}"
            ) from error
        # Else an answer waits 40 ms for the receipt of its head.
        server_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server_socket
    raise AssertionError("there is at least one port")


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach an address."""
    return host in LOOPBACK


def is_everywhere(host: str) -> bool:
    """Return whether an address means every one of this machine."""
    return host in _ALL


def has_display() -> bool:
    """Return whether a browser would have a window; else it may take the terminal."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
