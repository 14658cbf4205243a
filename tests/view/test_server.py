"""The command: address, port, warnings, and its end."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecgstore.cli import main
from ecgstore.errors import EcgStoreError
from ecgstore.view.server import DEFAULT_PORT, has_display, listening


@contextmanager
def viewing(store: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Run ``ecgstore view``."""
    command = [sys.executable, "-m", "ecgstore", "view", str(store), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, "SSH_CONNECTION": "10.0.0.2 1 10.0.0.1 22"}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C")
def test_it_says_where_it_serves_and_ends_by_ctrl_c(sample_store: Path) -> None:
    with viewing(sample_store, "--port", "0", "--no-browser") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        port = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=[-\w]{43}", url)
        assert port is not None
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(url) as page:
            assert b"<title>ecgstore view</title>" in page.read()
            assert "Server" not in page.headers
        with opener.open(url.partition("?")[0] + "api/rows?columns=age") as rows:
            assert b"HR00001" in rows.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "")
        # No request is logged: there would be names of records.
        assert err == (
            "ecgstore: first, on the machine that you sit at: "
            f"ssh -L {port[1]}:127.0.0.1:{port[1]} HOST\n"
        )


def test_a_port_that_is_taken_is_named(
    sample_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            main(["view", str(sample_store), "--port", str(port)])
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error == (
        f"ecgstore: port {port} of 127.0.0.1 cannot be used (address already in use); "
        "give another one with --port\n"
    )


def test_the_next_port_is_taken_by_default() -> None:
    with listening("127.0.0.1", None) as one, listening("127.0.0.1", None) as other:
        first, second = one.getsockname()[1], other.getsockname()[1]
    assert DEFAULT_PORT <= first < second < DEFAULT_PORT + 100


def test_a_host_of_another_machine_is_refused() -> None:
    with pytest.raises(EcgStoreError, match=r"of 192\.0\.2\.1 cannot be used .*--host"):
        listening("192.0.2.1", None)


def test_answers_do_not_wait_for_a_receipt() -> None:
    """Head and body of an answer are two packets: 40 ms lie between them else."""
    with listening("127.0.0.1", 0) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_browser_needs_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    assert has_display()
    monkeypatch.delenv("DISPLAY")
    assert not has_display()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.h5"], "nothing.h5"),
        (["STORE", "--model", "nothing"], "nothing"),
    ],
)
def test_what_is_not_there_is_named_in_a_line(
    sample_store: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(sample_store) if word == "STORE" else word for word in arguments]
    with pytest.raises(SystemExit) as ended:
        main(["view", *given, "--port", "0", "--no-browser"])
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("ecgstore: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_library_is_named(
    sample_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "ecgstore.view.server")
    with pytest.raises(SystemExit):
        main(["view", str(sample_store)])
    assert 'pip install "ecgstore[view]"' in capsys.readouterr().err


def test_another_host_is_warned_of(
    sample_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served = []
    monkeypatch.setattr(
        "ecgstore.view.server.serve", lambda *given, **named: served.append(named)
    )
    options = ["--host", "0.0.0.0", "--port", "0"]
    with pytest.raises(SystemExit):
        main(["view", str(sample_store), *options])
    reached = f"other machines reach this one at {socket.gethostname()}: "
    assert reached in capsys.readouterr().err
    assert served[0]["host"] == "0.0.0.0"
