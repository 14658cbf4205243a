"""The benchmark of training and prediction."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecgstore.models import ModelSettings

RunBench = Callable[..., dict[str, Any]]


@pytest.mark.usefixtures("one_thread")
def test_training_and_prediction_are_timed(
    run_bench: RunBench, dozen_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = {
        "resnet18": ModelSettings(model="resnet18", fs=100.0),
        "cnn": ModelSettings(model="cnn", fs=100.0),
    }
    monkeypatch.setattr("bench.models.training.NETWORKS", networks)
    options = ("--rounds=1", "--steps=2", "--batch=4")
    report = run_bench("models.training", dozen_records, *options)
    assert (report["steps"], report["batch"]) == (2, 4)
    assert report["training"].keys() == report["prediction"].keys() == networks.keys()
    for row in report["training"].values():
        assert row["step_ms"]["median"] > 0
        assert row["waiting_%"]["max"] < 100
    for row in report["prediction"].values():
        assert row["wall_ms"]["median"] > 0


def test_too_few_records_are_refused(run_bench: RunBench, dozen_records: Path) -> None:
    options = ("--rounds=1", "--steps=4", "--batch=4")
    with pytest.raises(SystemExit, match="12 records; expected at least 16"):
        run_bench("models.training", dozen_records, *options)


def test_intervals_are_counted(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.models.interval_coverage._N_POPULATION", 20_000)
    monkeypatch.setattr("bench.models.interval_coverage.N_RECORDS", (60,))
    options = ("--repetitions=6", "--resamples=40")
    report = run_bench("models.interval_coverage", *options)
    [coverage] = report["coverage_%"].values()
    for methods in coverage.values():
        assert methods.keys() == {"bias-corrected", "percentiles"}
        assert all(
            0 <= held <= 100 for row in methods.values() for held in row.values()
        )
        assert methods["bias-corrected"]["macro_auroc"] > 50
    perfect = coverage["perfect probabilities"]["percentiles"]
    assert perfect["macro_calibration_error"] < 50
