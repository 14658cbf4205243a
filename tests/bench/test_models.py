"""The benchmark of training and prediction."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.models.pretraining import BASELINE
from ecgstore.models import ModelSettings, TrainingSettings
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.tabular import trees

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


@pytest.mark.usefixtures("one_thread")
def test_hybrids_are_timed(
    run_bench: RunBench, dozen_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = HybridSettings(
        n_inner_folds=2,
        model=ModelSettings(model="minirocket", fs=100.0),
        fusion=TrainingSettings(epochs=1, batch_size=8, augment=False),
    )
    monkeypatch.setattr("bench.models.hybrids.default_settings", lambda _: settings)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setitem(trees.OPTIONS, "max_iter", 2)
    report = run_bench("models.hybrids", dozen_records, "--rounds=1")
    assert (report["records"], report["trained_on"]) == (12, 12)
    assert report["training_s"] > 0
    assert report["one_record"]["one record"]["wall_ms"]["median"] > 0
    assert [*report["records_per_s"]] == [
        "48 records, 1 processes",
        "12 records, 1 process",
    ]


@pytest.mark.usefixtures("one_thread")
def test_pretraining_is_compared(
    run_bench: RunBench, dozen_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = {BASELINE: {}, "pretrained": {"pretrain_epochs": 1}}
    module = "bench.models.pretraining"
    monkeypatch.setattr(f"{module}.VARIANTS", variants)
    monkeypatch.setattr(f"{module}.MODEL", ModelSettings(model="cnn", fs=50.0))
    monkeypatch.setattr(f"{module}.TRAINING", TrainingSettings(epochs=1, crop_s=2.0))
    report = run_bench("models.pretraining", dozen_records, "--workers=1", "--seeds=2")
    assert (report["records"], report["seeds"]) == (12, 2)
    without, with_it = (report["scores"][name] for name in variants)
    for score, (difference, low, high) in report["differences"]["pretrained"].items():
        assert low <= difference <= high
        assert difference == pytest.approx(with_it[score][0] - without[score][0])


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
