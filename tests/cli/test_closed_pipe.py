"""A pipe that nobody reads any more ends no command, and changes no exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")


def run_into_closed_pipe(
    *arguments: object, errors_too: bool = False
) -> tuple[int, str]:
    """Run a command whose output nobody reads: its exit code, and its errors."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ecgstore", *map(str, arguments)],
            stdout=writer,
            stderr=writer if errors_too else subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(
    "arguments",
    ["--help", "classes", "features --json", "info STORE", "info STORE --records"],
)
def test_a_command_ends_as_without_the_pipe(arguments: str, sample_store: Path) -> None:
    words = [sample_store if word == "STORE" else word for word in arguments.split()]
    assert run_into_closed_pipe(*words) == (0, "")


def test_a_failure_stays_a_failure(tmp_path: Path) -> None:
    missing = tmp_path / "missing.h5"
    code, errors = run_into_closed_pipe("info", missing)
    assert code == 1
    assert "missing.h5" in errors
    assert run_into_closed_pipe("info", missing, errors_too=True)[0] == 1


def test_a_build_is_complete(few_records: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    options = ["--beats", "none", "--workers", "1"]
    code, _ = run_into_closed_pipe(
        "build", few_records, "-o", out, *options, errors_too=True
    )
    assert code == 0
    assert [path.name for path in tmp_path.glob("out*")] == ["out.h5"]
