"""The report of a comparison contains the predictions and their scores."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from ecgstore.models.comparison import report as comparison_report
from ecgstore.models.comparison.estimates import (
    PAIRS,
    TITLES,
    auroc_within_sources,
    difference,
    estimate,
)
from ecgstore.models.comparison.pictures import write_pictures
from ecgstore.models.comparison.protocols import by_patient
from ecgstore.models.comparison.report import write_report
from ecgstore.models.comparison.results import (
    ComparedRecords,
    Predictions,
    ProtocolResult,
)
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.scores.bootstrap import Estimate
from ecgstore.scores.table import CLASS_SCORES, SCORES
from ecgstore.storage import Store

SETTINGS = ComparisonSettings(
    protocols=("patients",), n_folds=3, n_seeds=2, n_resamples=100
)


@pytest.fixture
def result(store: Store) -> ProtocolResult:
    """Return predictions of two seeds that differ by classifier, record and fold."""
    outer = by_patient(store, 3)
    rng = np.random.default_rng(4)
    shape = (2, len(store), len(store.label_names))
    fold_of = np.empty(len(store), int)
    for number, fold in enumerate(outer):
        fold_of[fold.test] = number
    return ProtocolResult(
        outer,
        {
            name: Predictions(
                0.2 * store.labels() + 0.8 * rng.random(shape),
                rng.random((2, 3, shape[2]))[:, fold_of],
            )
            for name in TITLES
        },
    )


def test_scores_are_means_over_the_seeds(store: Store, result: ProtocolResult) -> None:
    estimates = estimate(ComparedRecords.of(store), result, SETTINGS.n_resamples)
    labels = store.labels()
    for name, predictions in result.predictions.items():
        expected = np.mean(
            [roc_auc_score(labels, p) for p in predictions.probabilities]
        )
        assert estimates.scores[name]["macro_auroc"].value == pytest.approx(expected)
        decisions = predictions.probabilities >= predictions.thresholds
        expected = np.mean(
            [f1_score(labels, d, average="macro", zero_division=0) for d in decisions]
        )
        assert estimates.scores[name]["macro_f1"].value == pytest.approx(expected)
    n_patients = len(set(store.groups().tolist()))
    assert estimates.n_groups == n_patients < len(store)
    assert estimates.n_resamples == SETTINGS.n_resamples


def test_differences_of_a_pair_in_either_order_have_opposite_signs(
    store: Store, result: ProtocolResult
) -> None:
    estimates = estimate(ComparedRecords.of(store), result, SETTINGS.n_resamples)
    for first, second in PAIRS:
        forth = difference(estimates, first, second)
        back = difference(estimates, second, first)
        for score, (value, low, high) in forth.items():
            assert back[score] == Estimate(-value, -high, -low)
            expected = (
                estimates.scores[first][score].value
                - estimates.scores[second][score].value
            )
            assert value == pytest.approx(expected)


def test_within_sources_only_their_records_are_ranked(
    store: Store, result: ProtocolResult
) -> None:
    source, labels = store.records["source"].to_numpy(), store.labels()
    areas = auroc_within_sources(ComparedRecords.of(store), result)
    assert [*areas] == sorted(set(source))
    n_defined = 0
    for name, by_classifier in areas.items():
        own = source == name
        for column, area in enumerate(by_classifier["both"]):
            if len(set(labels[own, column])) < 2:
                assert np.isnan(area)
                continue
            n_defined += 1
            expected = np.mean(
                [
                    roc_auc_score(labels[own, column], of_seed[own, column])
                    for of_seed in result.predictions["both"].probabilities
                ]
            )
            assert area == pytest.approx(expected)
    assert n_defined > 3


def test_files_contain_every_prediction_and_estimate(
    store: Store,
    tmp_path: Path,
    result: ProtocolResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison_report, "write_pictures", lambda *_: [])
    report = write_report(store, SETTINGS, {"patients": result}, tmp_path)
    assert sorted(report.files) == sorted(tmp_path.iterdir())
    content = json.loads((tmp_path / "patients.json").read_text())
    owner, labels = store.groups(), store.labels()
    assert [record["record_id"] for record in content["records"]] == [*store]
    assert content["classes"] == list(store.label_names)
    for row, record in enumerate(content["records"]):
        assert record["labels"] == labels[row].tolist()
        assert record["patient"] == owner[row]
        assert record["source"] == store.records["source"].iloc[row]
        [fold] = [f for f in result.outer if row in f.test]
        assert record["fold"] == fold.name
        for name, probabilities in record["probabilities"].items():
            predictions = result.predictions[name]
            np.testing.assert_array_equal(
                probabilities, predictions.probabilities[:, row]
            )
            np.testing.assert_array_equal(
                content["thresholds"][name][fold.name], predictions.thresholds[:, row]
            )
    estimates = report.estimates["patients"]
    for path in tmp_path.glob("*.csv"):
        assert b"\r" not in path.read_bytes()
    with (tmp_path / "patients-scores.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    n_rows = len(SCORES) + len(CLASS_SCORES) * len(store.label_names)
    assert len(rows) == len(TITLES) * n_rows
    [macro] = [
        row
        for row in rows
        if (row["classifier"], row["score"], row["class"])
        == ("both", "macro_auroc", "")
    ]
    assert float(macro["value"]) == estimates.scores["both"]["macro_auroc"].value
    with (tmp_path / "patients-differences.csv").open(newline="") as file:
        differences = [*csv.DictReader(file)]
    assert len(differences) == len(TITLES) * (len(TITLES) - 1) / 2 * n_rows
    for line in differences:
        if not line["class"]:
            of_pair = estimates.differences[line["first"], line["second"]]
            found = of_pair[line["score"]]
            assert float(line["value"] or "nan") == pytest.approx(found.value)
            first, second = (
                estimates.scores[line[name]][line["score"]].value
                for name in ("first", "second")
            )
            assert found.value == pytest.approx(first - second)


@pytest.mark.slow
def test_every_plot_is_written(
    store: Store, tmp_path: Path, result: ProtocolResult
) -> None:
    estimates = estimate(ComparedRecords.of(store), result, SETTINGS.n_resamples)
    files = write_pictures(
        ComparedRecords.of(store), "patients", result, estimates, tmp_path
    )
    assert sorted(files) == sorted(tmp_path.iterdir())
    names = [path.stem.removeprefix("patients-") for path in files]
    assert names[0] == "scores"
    for score in CLASS_SCORES:
        assert f"classes-{score}" in names
    assert {"differences", "reliability", "confusion-hybrid"} <= {*names}
