"""``ecgstore compare`` from end to end, with short trainings."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from ecgstore.cli import cli
from ecgstore.errors import EcgStoreError
from ecgstore.models.comparison import run as comparison_run
from ecgstore.models.comparison.run import compare
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular import trees
from ecgstore.storage import Store

SETTINGS = ComparisonSettings(
    protocols=("patients",),
    n_folds=2,
    n_inner_folds=2,
    n_seeds=1,
    n_resamples=100,
    model=ModelSettings(model="cnn", fs=100.0),
    training=TrainingSettings(epochs=1, batch_size=16),
    fusion=TrainingSettings(epochs=2, batch_size=16, augment=False),
)


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes(
    sample_store: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(sample_store, tmp_path / "few-features.h5"))
    with h5py.File(path, "r+") as file:
        file["features"][:, 20:] = np.nan  # so that trees are trained in seconds
    with Store(path) as store:
        one = compare(store, SETTINGS, tmp_path / "one")["patients"]
        two = compare(store, SETTINGS, tmp_path / "two", n_processes=2)["patients"]
    for name, predictions in one.predictions.items():
        other = two.predictions[name]
        np.testing.assert_array_equal(
            predictions.probabilities, other.probabilities, name
        )
        np.testing.assert_array_equal(predictions.thresholds, other.thresholds, name)


def test_compare_writes_tables_plots_and_predictions(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trees.OPTIONS, "max_iter", 5)
    out = tmp_path / "comparison"
    command = [
        *("compare", str(sample_store), "-o", str(out), "--quick", "--quiet"),
        *("--n-folds", "2", "--epochs", "1", "--workers", "1", "--model", "cnn"),
    ]
    run = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert run.exit_code == 0, run.output
    assert "baseline: recording site only" in run.output
    assert "network on both - network on handcrafted" in run.output
    assert (out / "patients-scores.png").exists()
    predictions = (out / "patients.json").read_bytes()

    # Run again, it trains nothing, and every prediction is the same.
    def trained_again(*_: Any, **__: Any) -> None:
        pytest.fail("is trained again")

    for name in ("fit_extractor", "predict_outer_fold"):
        monkeypatch.setattr(comparison_run, name, trained_again)
    (out / "patients.json").unlink()
    again = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert again.output == run.output
    assert (out / "patients.json").read_bytes() == predictions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--n-folds", "1"), "n_folds is 1; expected a whole number, 2 to 100"),
        (("--fs", "90"), "fs is 90 Hz and the store has 500 Hz"),
        (("--device", "cuda:99"), "cuda:99"),
        (("--leads", "I,X"), "expected some of I, II"),
        (("--epochs", "0"), "epochs is 0; expected a whole number, 1 to 1,000,000"),
    ],
)
def test_wrong_options_are_refused(
    sample_store: Path, tmp_path: Path, arguments: tuple[str, str], message: str
) -> None:
    run = CliRunner().invoke(
        cli, ["compare", str(sample_store), "-o", str(tmp_path / "x"), *arguments]
    )
    assert isinstance(run.exception, EcgStoreError)
    assert message in str(run.exception)
    assert not [*tmp_path.rglob("*.png")]
