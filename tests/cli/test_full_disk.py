"""Every command that writes, with a full disk: one line, and no half-written file."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from ecgstore.models import checkpoint as checkpoints
from ecgstore.models.comparison import run as comparison
from ecgstore.models.running import Outputs
from ecgstore.sample import sample_folder
from tests.full_disk import full_disk

Run = Callable[..., tuple[int, str, str]]

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(os.name != "posix", reason="limits the size of files"),
]

COMMANDS = [
    ("export STORE out", (0, 3_000)),
    ("export STORE out --only peaks", (30_000,)),
    ("plot STORE HR00001 -o out/a.png", (0, 3_000)),
    ("plot STORE HR00001 -o out/a.svg", (3_000,)),
    ("evaluate MODEL STORE --json out/a.json", (0,)),
    ("evaluate MODEL STORE --csv out/a.csv", (100,)),
    ("evaluate MODEL STORE --plots out", (3_000,)),
    ("predict MODEL RECORD -o out/a.csv", (0, 50)),
    ("explain MODEL RECORD -o out/a.png", (3_000,)),
    ("explain MODEL RECORD -o out/a.svg --csv out/a.csv", (3_000,)),
    ("extract MODEL STORE -o out/a.h5", (0, 10_000)),
    ("train STORE -o out --model cnn --fs 100 --epochs 1 --batch-size 16", (0, 3_000)),
    ("train STORE -o out --inputs handcrafted --workers 1", (0,)),
    ("compare STORE -o out --quick --workers 1", (0,)),
]
_ON_A_DEVICE = ("predict", "explain", "extract", "evaluate", "train", "compare")
CASES = [(command, room) for command, rooms in COMMANDS for room in rooms]


@pytest.fixture
def words(sample_store: Path, sample_checkpoint: Path) -> Callable[[str], list[object]]:
    """Return a function that puts files in the place of words in capitals."""
    files = {
        "STORE": sample_store,
        "MODEL": sample_checkpoint,
        "RECORD": next(sample_folder().rglob("HR00001.hea")),
    }

    def fill_in(command: str) -> list[object]:
        return [files.get(word, word) for word in command.split()]

    return fill_in


def outputs(*_: Any) -> Outputs:
    """Return outputs of no extractor."""
    return Outputs(
        np.arange(3), np.zeros((3, 7), np.float32), np.zeros((3, 8), np.float32)
    )


@pytest.mark.parametrize(("command", "room"), CASES)
def test_a_full_disk_ends_a_command_in_one_line(
    run: Run,
    words: Callable[[str], list[object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    room: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparison, "fit_extractor", lambda *_: None)
    monkeypatch.setattr(comparison, "extractor_outputs", outputs)
    options = [] if command.startswith(("export", "plot", "explain")) else ["--quiet"]
    if command.startswith(_ON_A_DEVICE):
        options += ["--device", "cpu"]
    (tmp_path / "out").mkdir()
    older = tmp_path / "out" / "a.csv"
    older.write_text("old")
    with full_disk(room):
        code, _, errors = run(*words(command), *options)
    assert code == 1
    *warnings, error = errors.splitlines()
    assert all(line.startswith("warning: ") for line in warnings)
    assert error.startswith("ecgstore: out/")
    assert "cannot be written (File too large)" in error
    assert older.read_text() == "old"
    left = {path.name: path.stat().st_size for path in older.parent.rglob("*")}
    assert not [name for name in left if name.startswith(".")]
    assert not left.keys() - {"a.csv", "labels.csv", "extracted"}
    if "labels.csv" in left:  # written before the others
        assert 0 < left["labels.csv"] <= room


def test_a_machine_without_temporary_files_is_an_error_in_our_words(
    run: Run,
    words: Callable[[str], list[object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_none(*_: object, **__: object) -> NoReturn:
        raise FileNotFoundError(errno.ENOENT, "No usable directory in ['/tmp']")

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", find_none)
    # As if PyTorch, which looks for such a folder once, were not imported yet.
    monkeypatch.setattr(checkpoints, "create_model", find_none)
    out = tmp_path / "out.h5"
    command = f"extract MODEL STORE -o {out} --device cpu --quiet"
    code, _, errors = run(*words(command))
    assert code == 1
    assert errors == (
        "ecgstore: no folder for temporary files can be written, which a library "
        "needs; make room in one, or name another one in the environment variable "
        "TMPDIR\n"
    )
    assert not out.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_behind_standard_output_is_an_error(sample_store: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ecgstore", "info", str(sample_store), "--records"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("ecgstore: a file or the output: No space left")
    assert done.stderr.count("\n") == 1


def test_a_reader_of_the_output_that_stops_is_no_error(sample_store: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "ecgstore", "info", str(sample_store), "--records"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
