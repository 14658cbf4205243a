"""``ecgstore view`` as a person starts it: its address, its end, and its errors."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

_START = (sys.executable, "-m", "ecgstore", "view")
_QUIET = ("--no-browser", "--port", "0")


def refused(*words: object) -> str:
    """Return the one line with which a viewer does not start."""
    ended = subprocess.run(
        [*_START, *map(str, words)], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    return line


def test_the_viewer_prints_its_address_and_ends_with_ctrl_c(sample_store: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SSH")
    }
    with subprocess.Popen(
        [*_START, str(sample_store), *_QUIET],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as viewer:
        try:
            assert viewer.stdout is not None
            url = viewer.stdout.readline().strip()
            page, _, token = url.partition("?token=")
            assert urlsplit(page).hostname == "127.0.0.1"
            assert len(token) > 30
            for path in ("", "api/store", "?token=another"):
                assert httpx.get(page + path, timeout=60).status_code == 401
            with httpx.Client(follow_redirects=True, timeout=60) as browser:
                assert "<title>" in browser.get(url).text
                store = browser.get(f"{page}api/store").json()
            assert store["name"] == sample_store.name
            assert store["n_records"] == 44
            viewer.send_signal(signal.SIGINT)
            printed, errors = viewer.communicate(timeout=60)
        finally:
            viewer.kill()
    assert viewer.returncode in (0, 130)
    assert printed == ""
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 1


def test_a_port_that_is_taken_is_one_line(sample_store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused(sample_store, "--no-browser", "--port", port)
    assert f"port {port} of 127.0.0.1 cannot be used" in line
    assert "--port" in line


def test_what_is_missing_is_one_line(sample_store: Path, tmp_path: Path) -> None:
    assert "no.h5" in refused(tmp_path / "no.h5", *_QUIET)
    assert "no_run" in refused(sample_store, *_QUIET, "--model", tmp_path / "no_run")


@pytest.mark.parametrize("host", ["", "é..b"])
def test_a_host_that_is_none_is_one_line(sample_store: Path, host: str) -> None:
    line = refused(sample_store, *_QUIET, "--host", host)
    assert "--host" in line
