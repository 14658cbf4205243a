"""A comparison's wiring: rows, seeds, folds, and which outputs are cached."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ecgstore.errors import SchemaError
from ecgstore.models.comparison import run as comparison
from ecgstore.models.comparison.fold_predictions import FoldPredictions
from ecgstore.models.comparison.protocols import (
    PROTOCOLS,
    OuterFold,
    Protocol,
    by_patient,
)
from ecgstore.models.comparison.run import compare
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.hybrid.inner_folds import InnerFold, inner_folds
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.running import Outputs
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.storage import Store

Logits = Callable[[int, np.ndarray, int], np.ndarray]
Extracted = list[tuple[str, int, tuple[int, ...]]]

NAMES = ("first", "second")
SETTINGS = ComparisonSettings(
    n_folds=3,
    n_inner_folds=2,
    n_seeds=2,
    n_resamples=100,
    deep_inputs="features",
    learning_curve=(),
)


def predictions_of(
    store: Store, test: np.ndarray, seed: int, classifier: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and thresholds in place of those of a classifier."""
    column = np.arange(len(store.label_names))
    inside = np.sin(test[:, None] * 7 + 3 * column + 10 * classifier + seed)
    thresholds = 0.5 + 0.4 * np.sin(test[0] + column + classifier + seed)
    return 0.5 + 0.5 * inside, thresholds


@pytest.fixture
def extracted(monkeypatch: pytest.MonkeyPatch, logits_of: Logits) -> Extracted:
    """Replace all training by numbers that depend on row, seed, fold and classifier.

    Return a list to which fold, seed and held-out rows of every extractor are added.
    """
    extracted: Extracted = []

    def fit_extractor(
        store: Store,
        inner: InnerFold,
        model: ModelSettings,
        training: TrainingSettings,
        device: str,
    ) -> tuple[InnerFold, int]:
        return inner, training.seed

    def extractor_outputs(
        fitted: tuple[InnerFold, int], store: Store, rows: np.ndarray, device: str
    ) -> Outputs:
        inner, seed = fitted
        held_out = inner.held_out.tolist()
        test = np.setdiff1d(rows, inner.held_out)
        extracted.append((str(test.tolist()), seed, tuple(held_out)))
        logits = logits_of(seed, rows, len(store.label_names))
        return Outputs(rows, logits, logits + np.float32(sum(held_out)))

    def predict_outer_fold(
        store: Store,
        outer: OuterFold,
        inner: Sequence[InnerFold],
        outputs: Sequence[Outputs],
        settings: HybridSettings,
        *,
        deep_inputs: str,
        with_joined: bool,
    ) -> dict[str, FoldPredictions]:
        assert deep_inputs == SETTINGS.deep_inputs
        assert with_joined == (len(outer.training) > 20)
        seed = settings.training.seed
        for fold, of_fold in zip(inner, outputs, strict=True):
            rows = np.union1d(fold.held_out, outer.test)
            np.testing.assert_array_equal(of_fold.rows, rows)
            expected = logits_of(seed, rows, len(store.label_names))
            np.testing.assert_array_equal(of_fold.logits, expected)
            np.testing.assert_array_equal(
                of_fold.features, expected + np.float32(fold.held_out.sum())
            )
        return {
            name: FoldPredictions(*predictions_of(store, outer.test, seed, number))
            for number, name in enumerate(NAMES)
        }

    monkeypatch.setattr(comparison, "fit_extractor", fit_extractor)
    monkeypatch.setattr(comparison, "extractor_outputs", extractor_outputs)
    monkeypatch.setattr(comparison, "predict_outer_fold", predict_outer_fold)
    return extracted


@pytest.mark.parametrize("protocol", ["patients", "sources"])
def test_predictions_are_in_their_row_and_seed(
    store: Store, tmp_path: Path, extracted: Extracted, protocol: str
) -> None:
    settings = replace(SETTINGS, protocols=(protocol,))
    results = compare(store, settings, tmp_path)
    assert [*results] == [protocol]
    outer = results[protocol].outer
    assert len(extracted) == len(set(extracted)) == len(outer) * 2 * 3
    tested = np.concatenate([fold.test for fold in outer])
    assert sorted(tested.tolist()) == [*range(len(store))]
    assert [*results[protocol].predictions] == [*NAMES]
    for number, name in enumerate(NAMES):
        predictions = results[protocol].predictions[name]
        shape = (2, len(store), len(store.label_names))
        assert predictions.probabilities.shape == shape
        for fold in outer:
            for seed in range(2):
                expected = predictions_of(store, fold.test, seed, number)
                np.testing.assert_array_equal(
                    predictions.probabilities[seed, fold.test], expected[0], name
                )
                np.testing.assert_array_equal(
                    predictions.thresholds[seed, fold.test],
                    np.broadcast_to(expected[1], expected[0].shape),
                    name,
                )


def test_a_learning_curve_has_fewer_training_records_and_one_seed(
    store: Store, tmp_path: Path, extracted: Extracted
) -> None:
    sizes = ("12", "16", "1000")  # the last one is more than there are
    settings = replace(SETTINGS, protocols=("sources",), learning_curve=sizes)
    results = compare(store, settings, tmp_path)
    assert [*results] == ["sources", "patients-12", "patients-16"]
    folds = by_patient(store, 3)
    patient = store.groups()
    for name, n_records in (("patients-12", 12), ("patients-16", 16)):
        assert results[name].n_seeds == 1
        for fold, whole in zip(results[name].outer, folds, strict=True):
            np.testing.assert_array_equal(fold.test, whole.test)
            assert {*fold.training} <= {*whole.training}
            assert n_records <= len(fold.training) <= n_records + 4
            left_out = np.setdiff1d(whole.training, fold.training)
            assert not np.isin(patient[left_out], patient[fold.training]).any()
    for less, more in zip(
        results["patients-12"].outer, results["patients-16"].outer, strict=True
    ):
        assert {*less.training} <= {*more.training}


def assert_same(first: Any, second: Any) -> None:
    """Compare the predictions of two comparisons."""
    assert [*first] == [*second]
    for protocol, result in first.items():
        assert [*result.predictions] == [*second[protocol].predictions]
        for name, predictions in result.predictions.items():
            again = second[protocol].predictions[name]
            for of in ("probabilities", "thresholds"):
                np.testing.assert_array_equal(
                    getattr(predictions, of), getattr(again, of)
                )


def test_cached_outputs_are_used_again(
    store: Store, tmp_path: Path, extracted: Extracted
) -> None:
    first = compare(store, SETTINGS, tmp_path)
    assert len(list((tmp_path / "extracted").iterdir())) == len(extracted)
    extracted.clear()
    # Settings of the fusion and of the report do not matter to extractors.
    fusion = replace(SETTINGS.fusion, epochs=3)
    again = compare(store, replace(SETTINGS, n_resamples=200, fusion=fusion), tmp_path)
    assert extracted == []
    assert_same(first, again)


@pytest.fixture
def predicted(
    extracted: Extracted, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, int]]:
    """Return a list to which name and seed of every predicted outer fold are added."""
    predicted: list[tuple[str, int]] = []
    predict = vars(comparison)["predict_outer_fold"]  # in place of trainings

    def noted(
        store: Store,
        outer: OuterFold,
        inner: Sequence[InnerFold],
        outputs: Sequence[Outputs],
        settings: HybridSettings,
        **options: Any,
    ) -> dict[str, FoldPredictions]:
        predicted.append((outer.name, settings.training.seed))
        predictions: dict[str, FoldPredictions] = predict(
            store, outer, inner, outputs, settings, **options
        )
        return predictions

    monkeypatch.setattr(comparison, "predict_outer_fold", noted)
    return predicted


def test_cached_predictions_are_used_again(
    store: Store, tmp_path: Path, predicted: list[tuple[str, int]]
) -> None:
    first = compare(store, SETTINGS, tmp_path)
    n_folds = 2 * sum(len(result.outer) for result in first.values())
    assert len(predicted) == len(set(predicted)) == n_folds
    assert len([*(tmp_path / "predicted").iterdir()]) == n_folds
    predicted.clear()
    again = compare(store, replace(SETTINGS, n_resamples=200), tmp_path)
    assert predicted == []
    assert_same(first, again)
    # Another seed, and another setting of the small networks.
    compare(store, replace(SETTINGS, n_seeds=3), tmp_path)
    assert {seed for _, seed in predicted} == {2}
    predicted.clear()
    fusion = replace(SETTINGS.fusion, epochs=3)
    compare(store, replace(SETTINGS, fusion=fusion), tmp_path)
    assert len(predicted) == n_folds


def test_a_comparison_stopped_in_a_fold_predicts_the_others(
    store: Store,
    tmp_path: Path,
    predicted: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = compare(store, SETTINGS, tmp_path / "whole")
    n_folds = len(predicted)
    predicted.clear()
    predict = vars(comparison)["predict_outer_fold"]  # in place of trainings

    def stopped(*arguments: Any, **options: Any) -> Any:
        if len(predicted) == 4:
            raise KeyboardInterrupt
        return predict(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(comparison, "predict_outer_fold", stopped)
        with pytest.raises(KeyboardInterrupt):
            compare(store, SETTINGS, tmp_path / "stopped")
    assert len([*(tmp_path / "stopped" / "predicted").iterdir()]) == 4
    resumed = compare(store, SETTINGS, tmp_path / "stopped")
    assert len(predicted) == len(set(predicted)) == n_folds
    assert_same(whole, resumed)


def _change_row(path: str, row: int) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        with h5py.File(store, "r+") as file:
            file[path][row] ^= 1

    return change


@pytest.mark.parametrize(
    ("changes", "change", "trained_again"),
    [
        ({"model": ModelSettings(model="cnn")}, None, "all"),
        (
            {"model": ModelSettings(model="minirocket", normalise_by="lead")},
            None,
            "all",
        ),
        ({"model": ModelSettings(leads=("I", "II"))}, None, "all"),
        ({"model": ModelSettings(leads=("II", "I"))}, None, "all"),
        ({"model": ModelSettings(model="minirocket", fs=250.0)}, None, "all"),
        ({"training": TrainingSettings(epochs=3)}, None, "all"),
        ({"training": TrainingSettings(augment=False)}, None, "all"),
        ({"training": TrainingSettings(average_decay=0.9)}, None, "all"),
        ({"n_inner_folds": 3}, None, "all"),
        ({"n_folds": 4}, None, "some"),
        ({"n_seeds": 3}, None, "some"),
        ({}, _change_row("labels", 3), "trained on the record"),
        ({}, _change_row("checksums", 3), "all"),
    ],
)
def test_outputs_of_other_settings_or_records_are_not_used(
    sample_store: Path,
    tmp_path: Path,
    extracted: Extracted,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    change: Callable[[Path], None] | None,
    trained_again: str,
) -> None:
    path = Path(shutil.copy(sample_store, tmp_path / "store.h5"))
    settings = replace(SETTINGS, protocols=("patients",))
    with Store(path) as store:
        folds = by_patient(store, 3)
        inner = {
            fold.training.tobytes(): inner_folds(store, fold.training, 2)
            for fold in folds
        }
        compare(store, settings, tmp_path)
    n_first = len(extracted)
    extracted.clear()
    if change is not None:
        change(path)
        # The same folds, so that only the contents of the records differ.
        same_folds = Protocol(lambda *_: folds, "the same folds")
        monkeypatch.setitem(PROTOCOLS, "patients", same_folds)
        same = lambda _, rows, __: inner[rows.tobytes()]  # noqa: E731
        monkeypatch.setattr(comparison, "inner_folds", same)
    with Store(path) as store:
        compare(store, replace(settings, **changes), tmp_path)
    if trained_again == "trained on the record":
        # In two of three folds, one of two extractors is trained on any record, and the
        # one that is trained on all.
        assert len(extracted) == n_first * 4 // 9
    else:
        assert len(extracted) >= (n_first if trained_again == "all" else 1)


def test_a_stopped_comparison_resumes(
    store: Store, tmp_path: Path, extracted: Extracted
) -> None:
    first = compare(store, SETTINGS, tmp_path)
    files = sorted((tmp_path / "extracted").iterdir())
    for path in files[::2]:
        path.unlink()
    extracted.clear()
    again = compare(store, SETTINGS, tmp_path)
    assert len(extracted) == len(files[::2])
    assert_same(first, again)


@pytest.mark.parametrize("cache", ["extracted", "predicted"])
def test_a_damaged_cache_file_is_named(
    store: Store, tmp_path: Path, extracted: Extracted, cache: str
) -> None:
    compare(store, SETTINGS, tmp_path)
    if cache == "extracted":  # outputs are read where predictions are missing
        shutil.rmtree(tmp_path / "predicted")
    path = min((tmp_path / cache).iterdir())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SchemaError, match=rf"{path.name}: is damaged .* remove it"):
        compare(store, SETTINGS, tmp_path)


def test_hybrids_have_the_settings_of_the_comparison() -> None:
    settings = ComparisonSettings(
        n_inner_folds=3,
        age_sex=False,
        model=ModelSettings(model="cnn"),
        training=TrainingSettings(epochs=3),
        fusion=TrainingSettings(epochs=4),
    )
    assert settings.hybrid(4) == HybridSettings(
        n_inner_folds=3,
        age_sex=False,
        model=settings.model,
        training=replace(settings.training, seed=4),
        fusion=settings.fusion,
    )
