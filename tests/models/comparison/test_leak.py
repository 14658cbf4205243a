"""Leak law: nothing fitted depends on the records that it is tested on.

Test records, or held-out records, are spoilt: other signals, features and labels.
Everything that is fitted must stay the same to the last bit, and with it the
predictions for the records that were not changed. Exchanging records would not do: a
mean over all records stays the same.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from ecgstore.arrays import IntArray
from ecgstore.errors import EcgStoreError
from ecgstore.models.comparison import fold_predictions
from ecgstore.models.comparison.classifiers import HYBRIDS, JOINED, NAMES
from ecgstore.models.comparison.fold_predictions import (
    FoldPredictions,
    predict_outer_fold,
)
from ecgstore.models.comparison.protocols import OuterFold, by_patient
from ecgstore.models.hybrid import fused, parts
from ecgstore.models.hybrid.inner_folds import InnerFold, inner_folds
from ecgstore.models.hybrid.parts import extractor_outputs, fit_extractor
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.running import Outputs
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular import fusion_training, trees
from ecgstore.models.tabular.table import DeepFeatures, FeatureSet, read_table
from ecgstore.models.training.extractor import train_extractor
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Selection, Store

MODEL = ModelSettings(model="cnn", fs=100.0)
TRAINING = TrainingSettings(epochs=1, batch_size=8)
SETTINGS = HybridSettings(
    n_inner_folds=2,
    model=MODEL,
    training=TRAINING,
    fusion=TrainingSettings(epochs=2, batch_size=16, augment=False),
)


@dataclass
class Results:
    """Everything that follows from an outer fold."""

    inner: list[InnerFold]
    outputs: list[Outputs]
    predictions: dict[str, FoldPredictions]


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(trees.OPTIONS, "max_iter", 3)
    with threadpool_limits(1):  # for so little work, two threads take longer
        yield


@pytest.fixture(scope="module")
def outer(sample_store: Path) -> OuterFold:
    with Store(sample_store) as store:
        return by_patient(store, 3)[0]


@pytest.fixture(scope="module")
def spoilt_rows(outer: OuterFold) -> IntArray:
    return outer.test[::2]


@pytest.fixture(scope="module")
def spoilt_store(
    sample_store: Path, spoilt_rows: IntArray, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return spoilt(
        sample_store, spoilt_rows, tmp_path_factory.mktemp("spoilt") / "spoilt.h5"
    )


def spoilt(path: Path, rows: IntArray, to: Path) -> Path:
    """Return a copy of a store with other contents in some rows."""
    shutil.copyfile(path, to)
    with h5py.File(to, "r+") as file:
        for row in rows.tolist():
            file["signals"][row] = file["signals"][row][::-1, ::-1] // 2 + 100
            file["labels"][row] = 1 - file["labels"][row]
            file["features"][row] = 7 * file["features"][row] + 300
    return to


def extract_unseen(store: Store, outer: OuterFold, inner: InnerFold) -> Outputs:
    """Train the extractor of an inner fold; return its outputs for unseen records."""
    extractor = fit_extractor(store, inner, MODEL, TRAINING)
    rows = np.union1d(inner.held_out, outer.test)
    return extractor_outputs(extractor, store, rows)


def run(path: Path, outer: OuterFold) -> Results:
    with Store(path) as store:
        inner = inner_folds(store, outer.training, 2)
        outputs = [extract_unseen(store, outer, of) for of in inner]
        return Results(
            inner, outputs, predict_outer_fold(store, outer, inner, outputs, SETTINGS)
        )


@pytest.fixture(scope="module")
def results(sample_store: Path, outer: OuterFold) -> Results:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees.OPTIONS, "max_iter", 3)
        with threadpool_limits(1):
            return run(sample_store, outer)


def assert_no_leak(
    first: Results, second: Results, outer: OuterFold, spoilt_rows: IntArray
) -> None:
    """Compare the results of a store with those after some test records were spoilt."""
    for one, other in zip(first.inner, second.inner, strict=True):
        for name in ("training", "validation", "held_out"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for one_output, other_output in zip(first.outputs, second.outputs, strict=True):
        kept = ~np.isin(one_output.rows, spoilt_rows)
        for name in ("rows", "logits", "features"):
            np.testing.assert_array_equal(
                getattr(one_output, name)[kept], getattr(other_output, name)[kept]
            )
    kept = ~np.isin(outer.test, spoilt_rows)
    for name, predictions in first.predictions.items():
        again = second.predictions[name]
        np.testing.assert_array_equal(predictions.thresholds, again.thresholds, name)
        np.testing.assert_array_equal(
            predictions.probabilities[kept], again.probabilities[kept], name
        )


def test_nothing_fitted_depends_on_the_test_records(
    results: Results, spoilt_store: Path, outer: OuterFold, spoilt_rows: IntArray
) -> None:
    again = run(spoilt_store, outer)
    assert_no_leak(results, again, outer, spoilt_rows)
    # Predictions do depend on the signals and features of the records themselves:
    changed = np.isin(outer.test, spoilt_rows)
    for name in ("extractor", "handcrafted", "deep", "both", "hybrid"):
        one, other = results.predictions[name], again.predictions[name]
        assert (one.probabilities[changed] != other.probabilities[changed]).any(), name


def test_a_scaler_fitted_on_all_records_is_detected(
    results: Results,
    spoilt_store: Path,
    outer: OuterFold,
    spoilt_rows: IntArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def of_all(
        training: Selection, feature_sets: Sequence[FeatureSet], deep: Any
    ) -> Any:
        if "deep" in feature_sets:  # which test records do not have
            return read_table(training, feature_sets, deep)
        return read_table(training.store.select(), feature_sets, deep)

    monkeypatch.setattr(fusion_training, "read_table", of_all)
    with pytest.raises(AssertionError, match="handcrafted"):
        assert_no_leak(results, run(spoilt_store, outer), outer, spoilt_rows)


def test_thresholds_chosen_on_the_test_records_are_detected(
    results: Results,
    sample_store: Path,
    spoilt_store: Path,
    outer: OuterFold,
    spoilt_rows: IntArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = f1_thresholds
    with Store(spoilt_store) as store:
        test_labels = store.labels(rows=outer.test)
    for module in (fold_predictions, fused):
        with monkeypatch.context() as patch:
            patch.setattr(
                module,
                "f1_thresholds",
                lambda labels, of: original(test_labels, of[: len(test_labels)]),
            )
            with pytest.raises(AssertionError):
                assert_no_leak(results, run(sample_store, outer), outer, spoilt_rows)


def test_an_extractor_that_saw_the_test_records_is_detected(
    results: Results,
    spoilt_store: Path,
    outer: OuterFold,
    spoilt_rows: IntArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = train_extractor

    def with_test(training: Selection, *rest: Any, **options: Any) -> Any:
        rows = np.union1d(training.rows, outer.test)
        return original(Selection(training.store, rows), *rest, **options)

    monkeypatch.setattr(parts, "train_extractor", with_test)
    with pytest.raises(AssertionError):
        assert_no_leak(results, run(spoilt_store, outer), outer, spoilt_rows)


def outputs_for_held_out(path: Path, outer: OuterFold, inner: InnerFold) -> Outputs:
    with Store(path) as store:
        return extract_unseen(store, outer, inner)


def assert_features_are_out_of_fold(
    first: Outputs, second: Outputs, spoilt_rows: IntArray
) -> None:
    kept = ~np.isin(first.rows, spoilt_rows)
    np.testing.assert_array_equal(first.features[kept], second.features[kept])
    np.testing.assert_array_equal(first.logits[kept], second.logits[kept])


def test_fusion_is_trained_on_features_of_extractors_that_have_not_seen_the_record(
    results: Results, sample_store: Path, outer: OuterFold, tmp_path: Path
) -> None:
    inner = results.inner[0]
    rows = inner.held_out[::2]
    path = spoilt(sample_store, rows, tmp_path / "spoilt.h5")
    again = outputs_for_held_out(path, outer, inner)
    assert_features_are_out_of_fold(results.outputs[0], again, rows)

    # An extractor that was trained on the held-out records is detected:
    leaky = replace(inner, training=np.union1d(inner.training, inner.held_out))
    first = outputs_for_held_out(sample_store, outer, leaky)
    second = outputs_for_held_out(path, outer, leaky)
    with pytest.raises(AssertionError):
        assert_features_are_out_of_fold(first, second, rows)


def test_deep_features_are_read_by_row(sample_store: Path) -> None:
    with Store(sample_store) as store:
        values = np.arange(len(store) * 2, dtype=np.float32).reshape(-1, 2)
        rows = np.array([3, 7, 20])
        table = read_table(Selection(store, rows), ("deep",), DeepFeatures(values))
        np.testing.assert_array_equal(table, values[rows])
        values[7] = np.nan
        with pytest.raises(EcgStoreError, match="row 7 has no deep features"):
            read_table(Selection(store, rows), ("deep",), DeepFeatures(values))


def test_every_classifier_predicts(results: Results) -> None:
    names = {*NAMES.values(), *JOINED, *HYBRIDS}
    assert names < set(results.predictions)
    for predictions in results.predictions.values():
        assert np.isfinite(predictions.probabilities).all()
        thresholds = predictions.thresholds
        assert ((thresholds >= 0) & (thresholds <= 1)).all()
