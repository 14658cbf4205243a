"""Where the viewer listens, and how a browser is led to it."""

import socket
import stat
import webbrowser
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import uvicorn

from ecgstore.errors import EcgStoreError
from ecgstore.view import server


@pytest.mark.parametrize("host", ["", " ", "é..b", "a..b", "a b", "x" * 70 + ".b", "/"])
def test_a_host_that_is_none_is_one_line(host: str) -> None:
    with pytest.raises(EcgStoreError, match="this machine") as error:
        server.listening(host, 0)
    assert "\n" not in str(error.value)


def test_everywhere_has_the_names_of_this_machine() -> None:
    assert server.names_of("127.0.0.1") == {"127.0.0.1", "localhost", "::1"}
    for host in ("0.0.0.0", "::"):
        assert socket.gethostname() in server.names_of(host)
        assert "" not in server.names_of(host)


def test_no_argument_of_the_browser_has_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All users of a machine see the arguments of its programs."""
    opened, is_open, lines = list[str](), Event(), list[str]()

    def browse(url: str) -> None:
        opened.append(url)
        is_open.set()

    def run(*_: Any) -> None:
        assert is_open.wait(30)
        [line], [url] = lines, opened
        page = Path(unquote(urlsplit(url).path))
        assert line in page.read_text().replace("&amp;", "&")
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
        assert line.partition("=")[2] not in url
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", browse)
    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(server, "application", lambda shown: shown)
    monkeypatch.setattr(server, "_warm", lambda shown: None)
    with server.listening("127.0.0.1", 0) as listening:
        shown: Any = SimpleNamespace(description=dict)
        server.serve(shown, listening, say=lines.append)
    page = Path(unquote(urlsplit(opened[0]).path))
    assert not page.parent.exists()
