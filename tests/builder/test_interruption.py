"""A real build, killed and interrupted at any time, as a user's machine does it."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ecgstore
from ecgstore.config import Config
from ecgstore.sample import patients_file, sample_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="sends signals"),
]


def start(out: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ecgstore", "build", "--sample", "-o", str(out)]
    return subprocess.Popen(
        [*command, "--workers", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # Even where this process was started to ignore it, as shells do with "&".
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not path.exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def processes_of(session: int) -> list[int]:
    """Return the living processes that a build started."""
    processes = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                processes.append(int(folder.name))
    return processes


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes")
def test_killed_build_leaves_nothing_under_the_final_name(
    sample_store: Path, tmp_path: Path
) -> None:
    """Kill the parent alone, at several moments; then let it finish."""
    expected = hashlib.sha256(sample_store.read_bytes()).hexdigest()
    out = tmp_path / "out.h5"
    partial = tmp_path / "out.h5.partial"
    for seconds in (0.0, 0.1, 0.4):
        process = start(out)
        wait_for(tmp_path / "out.h5.partial.scan" if seconds == 0 else partial, process)
        time.sleep(seconds)
        process.kill()
        process.communicate()
        assert not out.exists()
        deadline = time.monotonic() + 20
        while processes_of(process.pid):  # the workers must notice and go
            assert time.monotonic() < deadline, "workers outlive their parent"
            time.sleep(0.05)
    process = start(out)
    errors = process.communicate()[1]
    assert process.returncode == 0, errors
    assert hashlib.sha256(out.read_bytes()).hexdigest() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_interrupted_build_says_how_to_resume(tmp_path: Path) -> None:
    for attempt in range(5):
        out = tmp_path / f"{attempt}.h5"
        process = start(out)
        wait_for(tmp_path / f"{attempt}.h5.partial", process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        errors = process.communicate(timeout=60)[1]
        # Python drops a signal that arrives in a callback of a weak reference.
        if "Exception ignored in" not in errors:
            break
    assert process.returncode == 130, errors
    assert "run the same command again to resume" in errors
    assert "Traceback" not in errors
    assert not out.exists()
    ecgstore.build_store(
        [sample_folder()],
        out,
        Config(),
        patients=patients_file(),
        n_workers=1,
        quiet=True,
    )
