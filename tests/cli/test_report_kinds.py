"""``ecgstore report`` recognises what it is given, and refuses the rest in a line."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def trained(sample_checkpoint: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    folder.mkdir()
    shutil.copy(sample_checkpoint, folder / "model.safetensors")
    return folder


def test_a_training_is_reported(
    run: Run, trained: Path, sample_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    for place in (trained, trained / "model.safetensors"):
        code, printed, errors = run("report", place, "-o", out)
        assert (code, printed.strip()) == (0, str(out)), errors
        assert "Network cnn" in out.read_text()
    code, _, errors = run(
        "report", trained, "-o", out, "--store", sample_store, "--quiet"
    )
    assert code == 0, errors
    assert "fold 9 of" in out.read_text()


@pytest.mark.parametrize("kind", ["empty folder", "text", "pipe", "nothing", "state"])
def test_anything_else_is_one_line_that_says_what_was_expected(
    run: Run, tmp_path: Path, kind: str
) -> None:
    place, out = tmp_path / "place", tmp_path / "report.html"
    if kind in ("empty folder", "state"):
        place.mkdir()
    if kind == "state":
        (place / "last.pt").touch()
    if kind == "text":
        place.write_text("hello")
    if kind == "pipe":
        os.mkfifo(place)
    code, _, errors = run("report", place, "-o", out)
    assert code == 1
    assert errors.count("\n") == 1
    assert str(place) in errors
    assert not out.exists()
    if kind == "state":
        assert "--resume" in errors
    if kind != "pipe":
        for words in ("ecgstore build", "ecgstore compare", "ecgstore train"):
            assert words in errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--name", "x"), "--name is for a report of STORE"),
        (("--folds", "3"), "--folds needs --store"),
        (("--device", "cpu"), "--device needs --store"),
    ],
)
def test_options_of_other_reports_are_refused(
    run: Run, trained: Path, options: tuple[str, ...], words: str
) -> None:
    code, _, errors = run("report", trained, *options)
    assert code == 2
    assert words in errors


def test_options_of_runs_are_refused_for_stores_and_comparisons(
    run: Run, sample_store: Path, tmp_path: Path
) -> None:
    code, _, errors = run("report", sample_store, "--folds", "3")
    assert code == 2
    assert "--folds is for a report of RUN" in errors
    (tmp_path / "patients.json").write_text("{}")
    code, _, errors = run("report", tmp_path, "--model", "x.py:X")
    assert code == 2
    assert "--model is for a report of RUN" in errors
    code, _, errors = run("report", tmp_path)
    assert code == 1
    assert "patients.json" in errors
