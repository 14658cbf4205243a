"""After Ctrl-C, one line says how to resume, where that is possible."""

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_training_says_how_to_resume(
    run: Run, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a run"
    words = ("train", sample_store, "-o", out, "--model", "cnn", "--fs", "100")
    options = ("--epochs", "2", "--device", "cpu")
    with monkeypatch.context() as patch:
        # After the first epoch and its state.
        patch.setattr("ecgstore.cli.commands.train._print_epoch", interrupt)
        code, _, errors = run(*words, *options)
    assert code == 130
    *_, hint, last = errors.splitlines()
    command = f"ecgstore train -o '{out}' --resume"
    assert hint.endswith(f"as it was saved last; resume it with: {command}")
    assert last == "ecgstore: interrupted"
    assert (out / "last.pt").exists()
    code, _, errors = run("train", "-o", out, "--resume", "--quiet", "--device", "cpu")
    assert code == 0, errors


def test_nothing_is_said_before_there_is_something_to_resume(
    run: Run, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgstore.models.training.run.train", interrupt)
    monkeypatch.setattr("ecgstore.models.hybrid.folder.train_hybrid_into", interrupt)
    monkeypatch.setattr("ecgstore.models.comparison.run.compare", interrupt)
    words = (sample_store, "-o", tmp_path / "a")
    for command in (
        ("train", *words),
        ("train", *words, "--inputs", "both"),
        ("compare", *words),
    ):
        code, printed, errors = run(*command)
        assert (code, printed, errors.strip()) == (130, "", "ecgstore: interrupted")


def test_an_interrupted_comparison_says_how_to_resume(
    run: Run, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgstore.models.comparison.run.compare", interrupt)
    code, _, errors = run("compare", sample_store, "-o", tmp_path)
    hint, last = errors.splitlines()
    assert (code, last) == (130, "ecgstore: interrupted")
    assert hint == (
        f"finished extractors and folds are kept in {tmp_path}; run the same command "
        "again to resume"
    )
