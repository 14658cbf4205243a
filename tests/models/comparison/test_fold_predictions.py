"""Records for training, early stopping and prediction within an outer fold."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ecgstore.models.comparison import cross_fitting, fold_predictions
from ecgstore.models.comparison.baselines import most_frequent_class, source_only
from ecgstore.models.comparison.classifiers import (
    CLASSIFIERS,
    EXTRACTOR,
    Classifier,
    Fused,
    fit_network,
    fit_trees,
)
from ecgstore.models.comparison.cross_fitting import (
    InnerFold,
    extract_unseen,
    inner_folds,
)
from ecgstore.models.comparison.fold_predictions import predict_outer_fold
from ecgstore.models.comparison.protocols import OuterFold, by_patient
from ecgstore.models.running import Outputs, probabilities_of
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular.table import DeepFeatures
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Selection, Store

Logits = Callable[[int, np.ndarray, int], np.ndarray]


def test_validation_records_are_used_for_early_stopping(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the leak tests, which train for one epoch, validation has no effect."""
    selections: list[Selection] = []

    class NotTrained(Exception):
        pass

    def note(training: Selection, validation: Selection, *_: Any, **__: Any) -> Any:
        selections.extend([training, validation])
        raise NotTrained

    monkeypatch.setattr(cross_fitting, "train_extractor", note)
    outer = by_patient(store, 3)[1]
    for inner in inner_folds(store, outer, 2):
        selections.clear()
        with pytest.raises(NotTrained):
            extract_unseen(store, outer, inner, ModelSettings(), TrainingSettings())
        np.testing.assert_array_equal(selections[0].rows, inner.training)
        np.testing.assert_array_equal(selections[1].rows, inner.validation)


def outputs_of(
    store: Store, outer: OuterFold, inner: Sequence[InnerFold], logits_of: Logits
) -> list[Outputs]:
    """Return the outputs of an extractor for each inner fold."""
    outputs = []
    for number, fold in enumerate(inner):
        rows = np.union1d(fold.held_out, outer.test)
        logits = logits_of(number, rows, len(store.label_names))
        outputs.append(Outputs(rows, logits, 2 * logits_of(number, rows, 9)))
    return outputs


@pytest.mark.parametrize("deep_inputs", ["logits", "features"])
@pytest.mark.parametrize("age_sex", [False, True])
def test_probabilities_are_means_over_the_inner_folds_each_with_its_extractor(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    logits_of: Logits,
    deep_inputs: Any,
    age_sex: bool,
) -> None:
    n_classes = len(store.label_names)
    fits: list[tuple[Any, ...]] = []

    def fit(
        training: Selection,
        feature_sets: Any,
        deep: DeepFeatures | None,
        settings: Any,
    ) -> Any:
        assert deep is not None
        fits.append((training.rows, feature_sets, settings))
        assert np.isfinite(deep.values[training.rows]).all()
        assert np.isnan(deep.values[outer.test]).all()

        def predict(records: Selection, deep: DeepFeatures) -> np.ndarray:
            logits = deep.values[records.rows][:, :n_classes]
            # Different training records give different probabilities.
            scale: float = 0.5 + 0.001 * training.rows.mean()
            return probabilities_of(logits) * scale

        return predict

    noting = Classifier(fit, ("deep",), "of this test")
    monkeypatch.setattr(fold_predictions, "CLASSIFIERS", {"noting": noting})
    monkeypatch.setattr(fold_predictions, "FUSED", {})
    outer = by_patient(store, 3)[0]
    inner = inner_folds(store, outer, 3)
    settings = TrainingSettings(seed=5)
    predictions = predict_outer_fold(
        store,
        outer,
        inner,
        outputs_of(store, outer, inner, logits_of),
        settings,
        deep_inputs=deep_inputs,
        age_sex=age_sex,
    )

    def values(number: int, rows: np.ndarray) -> np.ndarray:
        if deep_inputs == "features":
            return 2 * logits_of(number, rows, 9)[:, :n_classes]
        return logits_of(number, rows, n_classes)

    # Once without each inner fold, whose extractor the test records go through, too.
    training = [np.setdiff1d(outer.training, fold.held_out) for fold in inner]
    for (rows, feature_sets, given), expected in zip(fits, training, strict=True):
        np.testing.assert_array_equal(rows, expected)
        assert feature_sets == (("deep", "age_sex") if age_sex else ("deep",))
        assert given is settings
    scales = [0.5 + 0.001 * rows.mean() for rows in training]
    test = [
        probabilities_of(values(number, outer.test)) * scale
        for number, scale in enumerate(scales)
    ]
    np.testing.assert_allclose(
        predictions["noting"].probabilities, np.mean(test, axis=0), rtol=1e-12
    )
    held_out = np.full((len(store), n_classes), np.nan)
    of_extractors = np.full((len(store), n_classes), np.nan)
    for number, fold in enumerate(inner):
        held_out[fold.held_out] = (
            probabilities_of(values(number, fold.held_out)) * scales[number]
        )
        of_extractors[fold.held_out] = probabilities_of(
            logits_of(number, fold.held_out, n_classes)
        )
    labels = store.labels(rows=outer.training)
    np.testing.assert_allclose(
        predictions["noting"].thresholds,
        f1_thresholds(labels, held_out[outer.training]),
    )
    test = [probabilities_of(logits_of(n, outer.test, n_classes)) for n in range(3)]
    np.testing.assert_allclose(
        predictions["extractor"].probabilities, np.mean(test, axis=0)
    )
    np.testing.assert_allclose(
        predictions["extractor"].thresholds,
        f1_thresholds(labels, of_extractors[outer.training]),
    )


def test_a_sum_of_logits_is_fitted_without_the_fold_and_the_test_records(
    store: Store, monkeypatch: pytest.MonkeyPatch, logits_of: Logits
) -> None:
    """Its inputs are, for each record, those of trainings that did not use it."""
    outer = by_patient(store, 3)[0]
    inner = inner_folds(store, outer, 3)
    n_classes = len(store.label_names)
    fits: list[tuple[np.ndarray, ...]] = []

    class Noting:
        def probabilities(self, logits: Sequence[np.ndarray]) -> np.ndarray:
            return probabilities_of(np.mean(logits, axis=0))

    def note(logits: Any, labels: np.ndarray, folds: np.ndarray) -> Noting:
        fits.append((*logits, labels, folds))
        return Noting()

    monkeypatch.setattr(fold_predictions, "fit_fusion", note)
    monkeypatch.setattr(fold_predictions, "CLASSIFIERS", {})
    one = {"fused": Fused((EXTRACTOR,), "of this test")}
    monkeypatch.setattr(fold_predictions, "FUSED", one)
    outputs = outputs_of(store, outer, inner, logits_of)
    predictions = predict_outer_fold(store, outer, inner, outputs, TrainingSettings())
    for number, (logits, labels, folds) in enumerate(fits):
        seen = np.setdiff1d(outer.training, inner[number].held_out)
        np.testing.assert_array_equal(labels, store.labels(rows=seen))
        for other, fold in enumerate(inner):
            there = np.isin(seen, fold.held_out)
            assert (folds[there] == other).all()
            expected = logits_of(other, seen[there], n_classes)
            np.testing.assert_allclose(logits[there], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        predictions["fused"].probabilities, predictions["extractor"].probabilities
    )
    np.testing.assert_allclose(
        predictions["fused"].thresholds, predictions["extractor"].thresholds
    )


def test_outputs_of_another_extractor_are_refused(
    store: Store, logits_of: Logits
) -> None:
    outer = by_patient(store, 3)[0]
    inner = inner_folds(store, outer, 2)
    swapped = outputs_of(store, outer, inner, logits_of)[::-1]
    with pytest.raises(ValueError, match="no outputs for some rows; expected outputs"):
        predict_outer_fold(store, outer, inner, swapped, TrainingSettings())


def test_classifiers_are_trained_on_the_features_they_are_named_for() -> None:
    assert {name: of.feature_sets for name, of in CLASSIFIERS.items()} == {
        "handcrafted": ("handcrafted",),
        "deep": ("deep",),
        "both": ("handcrafted", "deep"),
        "trees": ("handcrafted",),
        "trees-both": ("handcrafted", "deep"),
    }
    for name, classifier in CLASSIFIERS.items():
        assert classifier.fit is (fit_trees if "trees" in name else fit_network)


def test_baselines_equal_their_definitions(store: Store) -> None:
    labels, source = store.labels(), store.records["source"].to_numpy()
    # The most frequent class of the training records is not that of the test records.
    test = np.flatnonzero(labels[:, 0] == 0)[:5]
    outer = OuterFold("some", np.setdiff1d(np.arange(len(store)), test), test)
    assert labels[outer.training].sum(0).argmax() == 0
    probabilities = most_frequent_class(store, outer)
    np.testing.assert_array_equal(probabilities[:, 0], 1)
    np.testing.assert_array_equal(probabilities[:, 1:], 0)
    overall = labels[outer.training].mean(0)
    for row, shares in zip(outer.test, source_only(store, outer), strict=True):
        own = labels[[r for r in outer.training if source[r] == source[row]]]
        expected = (own.sum(0) + overall) / (len(own) + 1)
        np.testing.assert_allclose(shares, expected, rtol=1e-12)
