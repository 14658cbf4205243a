"""Leak law: nothing fitted has seen the records that it is judged on.

The records that are judged, or held out, are spoilt: other signals, features, labels.
Whatever was learnt must stay the same to the last bit, and with it what is said about
the records that were left as they were. To exchange records would not do: a mean over
all of them stays the same.
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
from ecgstore.models.comparison import (
    classifiers as modes,
    cross_fitting,
    fold_predictions as judging,
)
from ecgstore.models.comparison.cross_fitting import (
    InnerFold,
    extract_unseen,
    inner_folds,
)
from ecgstore.models.comparison.fold_predictions import (
    FoldPredictions,
    predict_outer_fold,
)
from ecgstore.models.comparison.protocols import OuterFold, by_patient, by_source
from ecgstore.models.inference.run import Outputs
from ecgstore.models.patients import patients
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular import fusion, trees
from ecgstore.models.tabular.table import DeepFeatures, Kind, read_table
from ecgstore.models.training.extractor import train_extractor
from ecgstore.scores.multilabel import f1_thresholds
from ecgstore.storage import Selection, Store

MODEL = ModelSettings(model="cnn", fs=100.0)
TRAINING = TrainingSettings(epochs=1, batch_size=8)
FUSION = TrainingSettings(epochs=2, batch_size=16, augment=False)


@dataclass
class Learnt:
    """All that an outer fold leads to."""

    inner: list[InnerFold]
    found: list[Outputs]
    judged: dict[str, FoldPredictions]


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(trees._OPTIONS, "max_iter", 3)
    with threadpool_limits(1):  # two threads for this little take longer than one
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


def learn(path: Path, outer: OuterFold) -> Learnt:
    with Store(path) as store:
        inner = inner_folds(store, outer, 2)
        found = [extract_unseen(store, outer, each, MODEL, TRAINING) for each in inner]
        return Learnt(
            inner, found, predict_outer_fold(store, outer, inner, found, FUSION)
        )


@pytest.fixture(scope="module")
def learnt(sample_store: Path, outer: OuterFold) -> Learnt:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees._OPTIONS, "max_iter", 3)
        with threadpool_limits(1):
            return learn(sample_store, outer)


def assert_nothing_leaked(
    first: Learnt, second: Learnt, outer: OuterFold, spoilt_rows: IntArray
) -> None:
    """Compare what was learnt with some test records as they are, and spoilt."""
    for one, other in zip(first.inner, second.inner, strict=True):
        for name in ("training", "validation", "held_out"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for one_found, other_found in zip(first.found, second.found, strict=True):
        kept = ~np.isin(one_found.rows, spoilt_rows)
        for name in ("rows", "logits", "features"):
            np.testing.assert_array_equal(
                getattr(one_found, name)[kept], getattr(other_found, name)[kept]
            )
    kept = ~np.isin(outer.test, spoilt_rows)
    for name, each in first.judged.items():
        again = second.judged[name]
        np.testing.assert_array_equal(each.thresholds, again.thresholds, name)
        np.testing.assert_array_equal(
            each.probabilities[kept], again.probabilities[kept], name
        )


def test_nothing_learnt_depends_on_the_test_records(
    learnt: Learnt, spoilt_store: Path, outer: OuterFold, spoilt_rows: IntArray
) -> None:
    again = learn(spoilt_store, outer)
    assert_nothing_leaked(learnt, again, outer, spoilt_rows)
    # They do look at the signals and at the features of what they judge:
    changed = np.isin(outer.test, spoilt_rows)
    for name in ("extractor", "handcrafted", "deep", "both"):
        one, other = learnt.judged[name], again.judged[name]
        assert (one.probabilities[changed] != other.probabilities[changed]).any(), name


def test_a_scaler_fitted_on_all_records_is_found(
    learnt: Learnt,
    spoilt_store: Path,
    outer: OuterFold,
    spoilt_rows: IntArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def of_all(training: Selection, kinds: Sequence[Kind], deep: Any) -> Any:
        if "deep" in kinds:  # of which there are none in test records
            return read_table(training, kinds, deep)
        return read_table(training.store.select(), kinds, deep)

    monkeypatch.setattr(fusion, "read_table", of_all)
    with pytest.raises(AssertionError, match="handcrafted"):
        assert_nothing_leaked(learnt, learn(spoilt_store, outer), outer, spoilt_rows)


def test_thresholds_chosen_on_the_test_records_are_found(
    learnt: Learnt,
    sample_store: Path,
    spoilt_store: Path,
    outer: OuterFold,
    spoilt_rows: IntArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = f1_thresholds
    with Store(spoilt_store) as store:
        test_labels = store.labels(rows=outer.test)
    monkeypatch.setattr(
        judging,
        "f1_thresholds",
        lambda labels, said: original(test_labels, said[: len(test_labels)]),
    )
    with pytest.raises(AssertionError):
        assert_nothing_leaked(learnt, learn(sample_store, outer), outer, spoilt_rows)


def test_an_extractor_that_saw_the_test_records_is_found(
    learnt: Learnt,
    spoilt_store: Path,
    outer: OuterFold,
    spoilt_rows: IntArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = train_extractor

    def with_test(training: Selection, *rest: Any, **options: Any) -> Any:
        every = np.union1d(training.rows, outer.test)
        return original(Selection(training.store, every), *rest, **options)

    monkeypatch.setattr(cross_fitting, "train_extractor", with_test)
    with pytest.raises(AssertionError):
        assert_nothing_leaked(learnt, learn(spoilt_store, outer), outer, spoilt_rows)


def found_in_held_out(path: Path, outer: OuterFold, inner: InnerFold) -> Outputs:
    with Store(path) as store:
        return extract_unseen(store, outer, inner, MODEL, TRAINING)


def assert_features_are_out_of_fold(
    first: Outputs, second: Outputs, spoilt_rows: IntArray
) -> None:
    kept = ~np.isin(first.rows, spoilt_rows)
    np.testing.assert_array_equal(first.features[kept], second.features[kept])
    np.testing.assert_array_equal(first.logits[kept], second.logits[kept])


def test_fusion_learns_from_features_of_extractors_that_have_not_seen_the_record(
    learnt: Learnt, sample_store: Path, outer: OuterFold, tmp_path: Path
) -> None:
    inner = learnt.inner[0]
    rows = inner.held_out[::2]
    path = spoilt(sample_store, rows, tmp_path / "spoilt.h5")
    again = found_in_held_out(path, outer, inner)
    assert_features_are_out_of_fold(learnt.found[0], again, rows)

    # The same, with deep features of records that the extractor has learnt from:
    leaky = replace(inner, training=np.union1d(inner.training, inner.held_out))
    first = found_in_held_out(sample_store, outer, leaky)
    second = found_in_held_out(path, outer, leaky)
    with pytest.raises(AssertionError):
        assert_features_are_out_of_fold(first, second, rows)


@pytest.mark.parametrize("protocol", [by_patient, by_source])
def test_no_patient_is_on_two_sides(sample_store: Path, protocol: Any) -> None:
    with Store(sample_store) as store:
        patient = patients(store)
        folds = protocol(store, 3)
        tested = np.concatenate([fold.test for fold in folds])
        np.testing.assert_array_equal(np.sort(tested), np.arange(len(store)))
        for fold in folds:
            assert not np.isin(patient[fold.training], patient[fold.test]).any()
            for inner in inner_folds(store, fold, 2):
                parts = [inner.training, inner.validation, inner.held_out]
                np.testing.assert_array_equal(
                    np.sort(np.concatenate(parts)), fold.training
                )
                owners = [set(patient[part]) for part in parts]
                assert not owners[0] & owners[1]
                assert not owners[0] & owners[2]
                assert not owners[1] & owners[2]


def test_a_source_left_out_takes_its_patients_along(
    sample_store: Path, tmp_path: Path
) -> None:
    path = tmp_path / "linked.h5"
    shutil.copyfile(sample_store, path)
    with h5py.File(path, "r+") as file:
        source = file["records/source"][:]
        first, second = (
            int(np.flatnonzero(source == each)[0]) for each in (b"georgia", b"ptb-xl")
        )
        file["records/patient_id"][first] = file["records/patient_id"][second]
    with Store(path) as store:
        fold = next(each for each in by_source(store, 0) if each.name == "georgia")
    assert first in fold.test
    assert second not in fold.training
    assert second not in fold.test


def test_deep_features_are_asked_for_by_row(sample_store: Path) -> None:
    with Store(sample_store) as store:
        values = np.arange(len(store) * 2, dtype=np.float32).reshape(-1, 2)
        rows = np.array([3, 7, 20])
        table = read_table(Selection(store, rows), ("deep",), DeepFeatures(values))
        np.testing.assert_array_equal(table, values[rows])
        values[7] = np.nan
        with pytest.raises(EcgStoreError, match="row 7 has no deep features"):
            read_table(Selection(store, rows), ("deep",), DeepFeatures(values))


def test_every_mode_is_judged(learnt: Learnt) -> None:
    assert set(modes.CLASSIFIERS) < set(learnt.judged)
    for each in learnt.judged.values():
        assert np.isfinite(each.probabilities).all()
        assert ((each.thresholds >= 0) & (each.thresholds <= 1)).all()
