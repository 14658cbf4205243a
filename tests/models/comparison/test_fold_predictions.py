"""Records for training, early stopping and prediction within an outer fold."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecgstore.models.comparison import fold_predictions
from ecgstore.models.comparison.baselines import most_frequent_class, source_only
from ecgstore.models.comparison.classifiers import HYBRIDS, JOINED, NAMES
from ecgstore.models.comparison.fold_predictions import predict_outer_fold
from ecgstore.models.comparison.protocols import OuterFold, by_patient
from ecgstore.models.hybrid import parts
from ecgstore.models.hybrid.fused import fit_sum
from ecgstore.models.hybrid.inner_folds import InnerFold, fold_of_rows, inner_folds
from ecgstore.models.hybrid.parts import fit_extractor
from ecgstore.models.hybrid.settings import PARTS, HybridSettings
from ecgstore.models.running import Outputs, probabilities_of
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular.table import DeepFeatures
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Selection, Store

Logits = Callable[[int, np.ndarray, int], np.ndarray]

SETTINGS = HybridSettings(training=TrainingSettings(seed=5), age_sex=True)


@pytest.mark.parametrize("model", ["cnn", "minirocket"])
def test_validation_records_are_used_for_early_stopping(
    store: Store, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """In the leak tests, which train for one epoch, validation has no effect."""
    selections: list[Any] = []

    class NotTrained(Exception):
        pass

    def note(training: Selection, validation: Selection, *_: Any, **__: Any) -> Any:
        selections.extend([training, validation])
        raise NotTrained

    monkeypatch.setattr(parts, "train_extractor", note)
    outer = by_patient(store, 3)[1]
    for inner in inner_folds(store, outer.training, 2):
        selections.clear()
        with pytest.raises(NotTrained):
            fit_extractor(store, inner, ModelSettings(model=model), TrainingSettings())
        if model == "cnn":
            np.testing.assert_array_equal(selections[0].rows, inner.training)
            np.testing.assert_array_equal(selections[1].rows, inner.validation)
        else:  # nothing is stopped
            np.testing.assert_array_equal(selections[0].rows, inner.seen)
            assert selections[1] is None


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


class Noting:
    """A classifier that returns a column of its table, times a number of its rows."""

    def __init__(self, rows: np.ndarray, n_classes: int) -> None:
        # Different training records give different logits.
        self.scale = 0.5 + 0.001 * rows.mean()
        self._n_classes = n_classes

    def logits(self, table: np.ndarray) -> np.ndarray:
        known = np.nan_to_num(table[:, : self._n_classes].astype(float))
        values: np.ndarray = np.sin(known) * self.scale
        return values


@pytest.mark.parametrize("deep_inputs", ["logits", "features"])
@pytest.mark.parametrize("age_sex", [False, True])
def test_every_classifier_is_trained_and_tested_on_the_records_that_it_should_be(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    logits_of: Logits,
    deep_inputs: Any,
    age_sex: bool,
) -> None:
    n_classes = len(store.label_names)
    fits: list[tuple[Any, ...]] = []

    def fit(training: Selection, sets: Any, deep: DeepFeatures | None, of: Any) -> Any:
        fits.append((training.rows.tolist(), sets, of))
        if deep is not None:
            assert np.isfinite(deep.values[training.rows]).all()
            assert np.isnan(deep.values[outer.test]).all()
        return Noting(training.rows, n_classes)

    both = {"trees": fit, "network": fit}
    monkeypatch.setattr(fold_predictions, "FITS", both)
    monkeypatch.setattr(parts, "FITS", both)
    outer = by_patient(store, 3)[0]
    inner = inner_folds(store, outer.training, 3)
    outputs = outputs_of(store, outer, inner, logits_of)
    settings = replace(SETTINGS, age_sex=age_sex)
    predictions = predict_outer_fold(
        store, outer, inner, outputs, settings, deep_inputs=deep_inputs
    )
    age = ("age_sex",) if age_sex else ()
    without_one = [fold.seen.tolist() for fold in inner[:-1]]
    everyone = outer.training.tolist()
    expected = [
        *[(rows, ("handcrafted", *age)) for rows in (*without_one, everyone)] * 2,
        *[
            (rows, sets)
            for sets in (
                ("deep",),
                ("handcrafted", "deep", *age),
                ("handcrafted", "deep", *age),
            )
            for rows in without_one
        ],
    ]
    assert [(rows, sets) for rows, sets, _ in fits] == expected
    assert {of.seed for *_, of in fits} == {5}

    labels = store.labels(rows=outer.training, dtype=np.uint8)
    features = store.features().to_numpy()
    held_out, deep_held_out = np.empty((2, len(labels), n_classes))
    test = []
    for number, fold in enumerate(inner[:-1]):
        own = Noting(fold.seen, n_classes)
        places = np.searchsorted(outer.training, fold.held_out)
        held_out[places] = own.logits(features[fold.held_out])

        def deep(rows: np.ndarray, number: int = number) -> np.ndarray:
            if deep_inputs == "features":
                return 2 * logits_of(number, rows, 9)
            return logits_of(number, rows, n_classes)

        deep_held_out[places] = own.logits(deep(fold.held_out))
        test.append(probabilities_of(own.logits(deep(outer.test))))
    of_trees = Noting(outer.training, n_classes).logits(features[outer.test])
    for name, probabilities, of_held_out in (
        ("trees", probabilities_of(of_trees), held_out),
        ("handcrafted", probabilities_of(of_trees), held_out),
        ("deep", np.mean(test, axis=0), deep_held_out),
    ):
        found = predictions[name]
        np.testing.assert_allclose(found.probabilities, probabilities, rtol=1e-12)
        np.testing.assert_allclose(
            found.thresholds, f1_thresholds(labels, probabilities_of(of_held_out))
        )

    extractors = np.empty((len(labels), n_classes))
    for number, fold in enumerate(inner[:-1]):
        places = np.searchsorted(outer.training, fold.held_out)
        extractors[places] = logits_of(number, fold.held_out, n_classes)
    of_all = logits_of(3, outer.test, n_classes).astype(float)
    np.testing.assert_allclose(
        predictions["extractor"].probabilities, probabilities_of(of_all)
    )
    np.testing.assert_allclose(
        predictions["extractor"].thresholds,
        f1_thresholds(labels, probabilities_of(extractors)),
    )
    folds = fold_of_rows(outer.training, inner[:-1])
    fitted = fit_sum([held_out, held_out, extractors], labels, folds)
    np.testing.assert_allclose(
        predictions["hybrid"].probabilities,
        fitted.fusion.probabilities([of_trees, of_trees, of_all]),
        rtol=1e-5,
    )
    np.testing.assert_array_equal(predictions["hybrid"].thresholds, fitted.thresholds)
    fitted = fit_sum([held_out, held_out], labels, folds)
    np.testing.assert_allclose(
        predictions["handcrafted-sum"].probabilities,
        fitted.fusion.probabilities([of_trees, of_trees]),
        rtol=1e-5,
    )


def test_outputs_of_another_extractor_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch, logits_of: Logits
) -> None:
    fit = lambda training, *_: Noting(training.rows, 7)  # noqa: E731
    monkeypatch.setattr(parts, "FITS", {"trees": fit, "network": fit})
    outer = by_patient(store, 3)[0]
    inner = inner_folds(store, outer.training, 2)
    swapped = outputs_of(store, outer, inner, logits_of)
    swapped[:2] = swapped[1::-1]
    with pytest.raises(ValueError, match="no outputs for some rows; expected outputs"):
        predict_outer_fold(store, outer, inner, swapped, SETTINGS)


def test_classifiers_are_trained_on_the_features_they_are_named_for() -> None:
    assert {name: (of.kind, of.inputs(True)) for name, of in JOINED.items()} == {
        "deep": ("network", ("deep",)),
        "both": ("network", ("handcrafted", "deep", "age_sex")),
        "trees-both": ("trees", ("handcrafted", "deep", "age_sex")),
    }
    assert [of.parts for of in HYBRIDS.values()] == [
        PARTS["handcrafted"],
        PARTS["both"],
    ]
    assert {*NAMES} == {*PARTS["both"]}


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
