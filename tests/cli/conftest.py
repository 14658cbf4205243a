"""Fixtures of the tests of the command line."""

from collections.abc import Callable

import pytest

from ecgstore.cli import main


@pytest.fixture(autouse=True)
def unknown_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print tables whole: parallel workers of pytest set the width of a terminal."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command: exit code, output, errors."""

    def run_command(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        code = exit_.value.code
        return code if isinstance(code, int) else 0, printed.out, printed.err

    return run_command
