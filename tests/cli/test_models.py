"""``ecgstore train`` and ``compare``: the arguments that they pass to the library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgstore.cli import main
from ecgstore.models.comparison import run as comparison
from ecgstore.models.hybrid import folder as hybrid_folder
from ecgstore.models.training import run as training_run
from ecgstore.storage import Store


class Call(Exception):
    """The arguments that a function was called with, raised in place of its work."""


def call_of(
    monkeypatch: pytest.MonkeyPatch, module: Any, function: str, command: str
) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return a function that runs a command and returns what it handed over."""

    def stop(*arguments: Any, **options: Any) -> None:
        raise Call(arguments, options)

    def run(*words: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
        with pytest.raises(Call) as handed:
            main([command, *map(str, words)])
        return handed.value.args

    monkeypatch.setattr(module, function, stop)
    return run


@pytest.mark.parametrize(
    ("options", "validation", "test"),
    [([], [8], [9]), (["--validation-folds", "1,2", "--test-folds", "0"], [1, 2], [0])],
)
def test_training_folds_are_the_other_folds(
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    validation: list[int],
    test: list[int],
) -> None:
    run = call_of(monkeypatch, training_run, "train_into", "train")
    (folder, training_records, validation_records, model, settings), rest = run(
        sample_store, "-o", tmp_path / "run", "--fs", 100, "--leads", "ii,V2",
        "--seed", 3, "--device", "cpu", *options,
    )  # fmt: skip
    with Store(sample_store) as store:
        fold = store.records["fold"].to_numpy()
    others = ~np.isin(fold, [*validation, *test])
    np.testing.assert_array_equal(training_records.rows, np.flatnonzero(others))
    np.testing.assert_array_equal(
        validation_records.rows, np.flatnonzero(np.isin(fold, validation))
    )
    assert folder == tmp_path / "run"
    assert (model.fs, model.leads, settings.seed) == (100.0, ("II", "V2"), 3)
    assert rest["resume"] is False


def test_a_hybrid_leaves_out_the_given_test_folds(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = call_of(monkeypatch, hybrid_folder, "train_hybrid_into", "train")
    words = "--inputs", "handcrafted", "--test-folds", "0,1", "--no-age-sex"
    (folder, _, settings), rest = run(sample_store, "-o", tmp_path / "run", *words)
    assert folder == tmp_path / "run"
    assert rest["inputs"] == "handcrafted"
    assert tuple(rest["test_folds"]) == (0, 1)
    assert not settings.age_sex


def test_compare_passes_its_options_to_the_library(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = call_of(monkeypatch, comparison, "compare", "compare")
    (_, settings, folder), rest = run(
        sample_store, "-o", tmp_path, "--n-seeds", 2, "--n-folds", 4,
        "--n-inner-folds", 5,
        "--deep-inputs", "features", "--age-sex", "--protocols", "sources",
        "--model", "cnn", "--epochs", 2, "--workers", 3, "--device", "cpu",
    )  # fmt: skip
    assert folder == tmp_path
    assert (settings.n_seeds, settings.n_folds, settings.n_inner_folds) == (2, 4, 5)
    assert (settings.deep_inputs, settings.age_sex) == ("features", True)
    assert settings.protocols == ("sources",)
    assert (settings.model.model, settings.training.epochs) == ("cnn", 2)
    assert (rest["n_processes"], rest["device"]) == (3, "cpu")
    (_, settings, _), _ = run(sample_store, "-o", tmp_path, "--quick", "--n-seeds", 2)
    assert (settings.n_seeds, settings.n_folds, settings.model.fs) == (2, 3, 100.0)
