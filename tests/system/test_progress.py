"""Progress: a bar on a terminal, lines elsewhere, nothing where it is not wanted."""

import io
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr

import pytest

from ecgstore.system.progress import Progress, with_progress


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


class BrokenPipe(io.StringIO):
    """A standard error that goes to a process which has ended."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be set."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_terminal_shows_a_bar() -> None:
    n_threads = threading.active_count()
    with (
        redirect_stderr(Terminal()) as terminal,
        Progress("fill", 8, unit="rows", done=2) as progress,
    ):
        progress.update(4, "1 quarantined")
        assert threading.active_count() == n_threads
    text = terminal.getvalue()
    assert "fill: 2/8 |" in text
    last = text.rstrip("\n").split("\r")[-1]
    assert last.startswith("fill: 6/8 |")
    assert ", 1 quarantined, " in last
    assert "rows/s, " in last
    assert last.endswith(" left")


def test_a_bar_without_a_total_shows_no_remaining_time() -> None:
    with redirect_stderr(Terminal()) as terminal, Progress("scan") as progress:
        progress.update(3)
    last = terminal.getvalue().rstrip("\n").split("\r")[-1]
    assert last.startswith("scan: 3 records, ")
    assert "left" not in last


def test_a_bar_of_items_disappears() -> None:
    with redirect_stderr(Terminal()) as terminal:
        assert [*with_progress("abc", "letters", 3)] == ["a", "b", "c"]
    assert "letters: 0/3" in terminal.getvalue()
    assert terminal.getvalue().split("\r")[-1].strip() == ""


def test_a_log_gets_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with Progress("fill", 1000, done=100) as progress:
        for _ in range(8):
            clock[0] += 10
            progress.update(100, "2 quarantined")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "fill: 500/1000, 2 quarantined, 10.00 records/s, 00:50 left",
        "fill: 900/1000, 2 quarantined, 10.00 records/s, 00:10 left",
        "fill: 900/1000, 2 quarantined, 10.00 records/s, 00:10 left",
    ]


def test_items_of_a_short_task_leave_no_line(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    for _ in with_progress(range(5), "epoch 1 of 2", 5):
        clock[0] += 6
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_quiet_shows_nothing(stream: io.StringIO, clock: list[float]) -> None:
    with redirect_stderr(stream):
        with Progress("fill", 10, quiet=True) as progress:
            clock[0] += 60
            progress.update(10)
        assert [*with_progress("ab", "letters", quiet=True)] == ["a", "b"]
    assert stream.getvalue() == ""


def test_work_continues_when_the_log_is_closed(clock: list[float]) -> None:
    with redirect_stderr(BrokenPipe()), Progress("fill", 10) as progress:
        for _ in range(10):
            clock[0] += 60
            progress.update()


class Broken(Terminal):
    """A terminal that was closed: every write fails."""

    def write(self, text: str, /) -> int:
        raise OSError(5, "Input/output error")


class Closed(io.StringIO):
    """A standard error that a program has closed."""

    def __init__(self) -> None:
        super().__init__()
        self.close()


@pytest.mark.parametrize(
    "make_stream", [Broken, Closed, lambda: None], ids=["broken", "closed", "none"]
)
def test_work_goes_on_without_a_standard_error(
    make_stream: Callable[[], io.StringIO | None],
) -> None:
    with redirect_stderr(make_stream()):
        assert [*with_progress("abc", "letters", 3)] == ["a", "b", "c"]
        with Progress("fill", 3) as progress:
            progress.update(3)


def test_a_terminal_that_closes_during_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with redirect_stderr(Terminal()), Progress("fill", 1000) as progress:
        progress.update()
        monkeypatch.setattr(Terminal, "write", Broken.write)
        for _ in range(900):
            progress.update()
