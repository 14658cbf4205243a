"""Leak law: what a hybrid has learned depends on its training records only.

The other records are spoilt: other signals, features, labels, ages and sexes.
Everything that is fitted must stay the same to the last bit.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgstore.arrays import FloatArray, IntArray, UInt8Array
from ecgstore.errors import ConfigError
from ecgstore.models.hybrid import training
from ecgstore.models.hybrid.fused import fit_sum
from ecgstore.models.hybrid.inner_folds import fold_of_rows, inner_folds
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.hybrid.training import train_hybrid
from ecgstore.models.tabular.logit_fusion import fit_fusion
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Store
from tests.models.hybrid.conftest import SETTINGS, train


def spoilt(path: Path, rows: IntArray, to: Path) -> Path:
    """Return a copy of a store with other contents in some rows."""
    shutil.copyfile(path, to)
    with h5py.File(to, "r+") as file:
        for row in rows.tolist():
            file["signals"][row] = file["signals"][row][::-1, ::-1] // 2 + 100
            file["labels"][row] = 1 - file["labels"][row]
            file["features"][row] = 7 * file["features"][row] + 300
            file["records/age"][row] = 17
            is_male = file["records/sex"][row] == b"male"
            file["records/sex"][row] = b"female" if is_male else b"male"
    return to


@pytest.fixture
def unseen(store: Store) -> IntArray:
    return store.select(folds=[9]).rows


def test_nothing_fitted_depends_on_other_records(
    store_file: Path, hybrid: Hybrid, unseen: IntArray, tmp_path: Path
) -> None:
    again = train(spoilt(store_file, unseen, tmp_path / "spoilt.h5"))
    assert again.weights_sha256() == hybrid.weights_sha256()
    np.testing.assert_array_equal(again.thresholds, hybrid.thresholds)
    assert again.origin["scores"] == hybrid.origin["scores"]


def test_what_is_fitted_depends_on_each_training_record(
    store_file: Path, small_hybrid: Hybrid, store: Store, tmp_path: Path
) -> None:
    """Else the law above would say nothing."""
    row = store.select(folds=[4]).rows[:1]
    path = spoilt(store_file, row, tmp_path / "spoilt.h5")
    again = train(path, inputs="handcrafted")
    assert again.weights_sha256() != small_hybrid.weights_sha256()


def test_the_same_training_gives_the_same_bits_and_another_seed_others(
    store_file: Path, small_hybrid: Hybrid
) -> None:
    again = train(store_file, inputs="handcrafted")
    assert again.weights_sha256() == small_hybrid.weights_sha256()
    other = replace(SETTINGS, training=replace(SETTINGS.training, seed=1))
    changed = train(store_file, inputs="handcrafted", settings=other)
    assert changed.weights_sha256() != small_hybrid.weights_sha256()


def test_an_extractor_follows_the_seed(store_file: Path, hybrid: Hybrid) -> None:
    other = replace(SETTINGS, training=replace(SETTINGS.training, seed=1))
    changed = train(store_file, settings=other)
    assert changed.extractor is not None
    assert hybrid.extractor is not None
    assert changed.extractor.weights_sha256() != hybrid.extractor.weights_sha256()


def test_the_number_of_processes_changes_nothing(
    store_file: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all trees: other processes do not know of the fewer ones of the tests."""
    monkeypatch.undo()
    rows = store.select(folds=range(9)).rows
    one, two = (
        train_hybrid(
            store,
            rows,
            SETTINGS,
            inputs="handcrafted",
            n_processes=n_processes,
            n_resamples=5,
        )
        for n_processes in (1, 2)
    )
    assert one.weights_sha256() == two.weights_sha256()
    assert one.origin["scores"] == two.origin["scores"]


def test_inner_folds_hold_out_every_record_once_and_no_patient_twice(
    store: Store,
) -> None:
    rows = store.select(folds=range(9)).rows
    *folds, whole = inner_folds(store, rows, 3)
    assert len(folds) == 3
    assert not len(whole.held_out)
    np.testing.assert_array_equal(whole.seen, rows)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([fold.held_out for fold in folds])), rows
    )
    groups = store.groups()
    for fold in (*folds, whole):
        parts = [groups[part] for part in (fold.training, fold.validation)]
        assert not set(parts[0]) & set(parts[1])
        assert not set(groups[fold.seen]) & set(groups[fold.held_out])
    numbers = fold_of_rows(rows, [*folds, whole])
    for number, fold in enumerate(folds):
        np.testing.assert_array_equal(rows[numbers == number], fold.held_out)


def test_more_inner_folds_than_patients_are_refused(store: Store) -> None:
    rows = store.select(folds=[0]).rows
    n_patients = len(set(store.groups(rows).tolist()))
    assert n_patients < 100
    message = rf"n_inner_folds is 100, .* are of {n_patients} patients; expected"
    with pytest.raises(ConfigError, match=message):
        inner_folds(store, rows, 100)
    assert len(inner_folds(store, rows, n_patients)) == n_patients + 1


def test_unsorted_rows_are_refused_before_anything_is_trained(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_tasks(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(training, "run_tasks", run_tasks)
    rows = store.select(folds=range(9)).rows
    with pytest.raises(ValueError, match="rows must be strictly increasing"):
        train_hybrid(store, rows[::-1], SETTINGS)


# -- weights and thresholds of the sum --------------------------------------


def random_logits() -> tuple[list[FloatArray], UInt8Array, IntArray]:
    random = np.random.default_rng(0)
    labels = (random.random((120, 2)) < 0.3).astype(np.uint8)
    logits = [2.0 * labels - 1 + random.normal(size=labels.shape) for _ in range(3)]
    return logits, labels, random.integers(3, size=len(labels))


def test_held_out_probabilities_are_of_weights_fitted_to_the_other_folds() -> None:
    logits, labels, folds = random_logits()
    fitted = fit_sum(logits, labels, folds)
    for number in range(3):
        seen, own = folds != number, folds == number
        fusion = fit_fusion(
            [of[seen] for of in logits], labels[seen].astype(float), folds[seen]
        )
        np.testing.assert_array_equal(
            fitted.held_out[own], fusion.probabilities([of[own] for of in logits])
        )
    whole = fit_fusion(logits, labels.astype(float), folds)
    np.testing.assert_array_equal(fitted.fusion.weights, whole.weights)
    np.testing.assert_array_equal(
        fitted.thresholds, f1_thresholds(labels, fitted.held_out)
    )
    assert (fitted.held_out != whole.probabilities(logits)).any()


def test_labels_of_a_fold_do_not_change_its_held_out_probabilities() -> None:
    logits, labels, folds = random_logits()
    fitted = fit_sum(logits, labels, folds)
    own = folds == 1
    labels[own] = 1 - labels[own]
    again = fit_sum(logits, labels, folds)
    np.testing.assert_array_equal(again.held_out[own], fitted.held_out[own])
    assert (again.held_out[~own] != fitted.held_out[~own]).any()
    assert (again.thresholds != fitted.thresholds).any()
