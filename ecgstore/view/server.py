"""Serve the viewer in the foreground, until Ctrl-C."""

import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from ecgstore.errors import EcgStoreError, cause_of
from ecgstore.view.app import application
from ecgstore.view.guard import LOOPBACK, TOKEN, Guard
from ecgstore.view.shown import Shown

DEFAULT_PORT: Final = 8731
_TRIED: Final = 100
"""Ports that are tried from the default one on."""


def serve(
    shown: Shown,
    *,
    host: str = LOOPBACK[0],
    port: int | None = None,
    browser: bool = True,
    say: Callable[[str], object] = print,
) -> None:
    """Serve until Ctrl-C.

    Parameters
    ----------
    shown : Shown
        What is shown.
    host : str
        Address to listen at.
    port : int, optional
        Port; by default 8731, or the next that is free.
    browser : bool
        Whether to open the page in the user's browser.
    say : callable
        Prints a line.

    Raises
    ------
    EcgStoreError
        If the port is taken, or the host is none of this machine.
    """
    token = secrets.token_urlsafe(32)
    app = Guard(application(shown), token, {*LOOPBACK, host})
    with listening(host, port) as server_socket:
        number = server_socket.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{number}/?{TOKEN}={token}"
        say(url)
        if browser:
            Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # which is how it ends
            uvicorn.Server(uvicorn_config(app)).run([server_socket])


def uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    """Return settings without a log, in which there would be names of records."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )


def listening(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens at a port, by default the first that is free."""
    ports = range(DEFAULT_PORT, DEFAULT_PORT + _TRIED) if port is None else [port]
    for number in ports:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server_socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server_socket.bind((host, number))
            server_socket.listen(128)
        except OSError as error:
            server_socket.close()
            problem = error
            continue
        return server_socket
    raise EcgStoreError(
        f"port {ports[0]} of {host} cannot be used: {cause_of(problem)}; give another "
        "one with --port"
    )
