"""The predictions of every classifier for the test records of one outer fold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.classifiers import (
    CLASSIFIERS,
    EXTRACTOR,
    FUSED,
    Classifier,
    Fused,
)
from ecgstore.models.comparison.cross_fitting import InnerFold
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.models.comparison.settings import DeepInputs
from ecgstore.models.running import Outputs, probabilities_of
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.logit_fusion import fit_fusion
from ecgstore.models.tabular.table import DeepFeatures, read_table
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Selection, Store


@dataclass(frozen=True, eq=False, slots=True)
class FoldPredictions:
    """Predictions of a classifier for the test records of an outer fold.

    Attributes
    ----------
    probabilities : ndarray of shape (n_test_records, n_classes)
        In the order of `OuterFold.test`; the mean over the inner folds.
    thresholds : ndarray of shape (n_classes,)
        Thresholds with the best F1 on the training records, each predicted while it was
        held out.
    """

    probabilities: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class _Fold:
    """An outer fold with the outputs of its extractors.

    Attributes
    ----------
    store, outer, inner, outputs
        As in `predict_outer_fold`.
    held_out : DeepFeatures
        Features of every training record, from the extractor that has not seen it.
    test : list of DeepFeatures
        Features of the test records, from the extractor of each inner fold.
    """

    store: Store
    outer: OuterFold
    inner: Sequence[InnerFold]
    outputs: Sequence[Outputs]
    held_out: DeepFeatures
    test: list[DeepFeatures]


def predict_outer_fold(
    store: Store,
    outer: OuterFold,
    inner: Sequence[InnerFold],
    outputs: Sequence[Outputs],
    settings: TrainingSettings,
    *,
    deep_inputs: DeepInputs = "logits",
    age_sex: bool = False,
) -> dict[str, FoldPredictions]:
    """Train every classifier on the training records; predict the test records.

    Every classifier is trained once per inner fold, on the records of the other inner
    folds, and the probabilities of the test records are averaged. All classifiers,
    the extractors included, are thus means over equally many trainings.

    The deep features of a training record come from an extractor that has not seen this
    record, but that was trained on records of the inner fold which is held out for the
    thresholds. Probabilities of held-out records, and with them the thresholds, may
    therefore be slightly optimistic; the test records are not affected.

    Parameters
    ----------
    store : Store
        The records.
    outer : OuterFold
        Training and test records.
    inner : sequence of InnerFold
        The inner folds of the training records.
    outputs : sequence of Outputs
        Outputs of the extractor of each inner fold, for its held-out records and the
        test records.
    settings : TrainingSettings
        Settings of the small networks.
    deep_inputs : {"logits", "features"}
        Which outputs of the extractors are the deep features.
    age_sex : bool
        Whether age and sex are additional inputs of every classifier on features.

    Returns
    -------
    dict
        Predictions by name: the baselines, the extractors (`EXTRACTOR`), the
        classifiers of `CLASSIFIERS`, and the sums of `FUSED`.
    """
    held_out = [
        (fold.held_out, _values(fold_outputs, fold.held_out, deep_inputs))
        for fold, fold_outputs in zip(inner, outputs, strict=True)
    ]
    fold = _Fold(
        store,
        outer,
        inner,
        outputs,
        held_out=_joined(store, held_out),
        test=[
            _joined(store, [(outer.test, _values(part, outer.test, deep_inputs))])
            for part in outputs
        ],
    )
    predictions = {
        name: _with_threshold_half(baseline.predict(store, outer))
        for name, baseline in BASELINES.items()
    }
    parts = {EXTRACTOR: _of_extractors(fold)}
    for name, classifier in CLASSIFIERS.items():
        chosen = classifier.with_age_and_sex() if age_sex else classifier
        parts[name] = _of_classifier(fold, chosen, settings)
    for name, fused in FUSED.items():
        parts[name] = _of_fusion(fold, fused, parts)
    return predictions | {name: _mean(fold, part) for name, part in parts.items()}


@dataclass(frozen=True, eq=False, slots=True)
class _Parts:
    """Probabilities of a classifier that was trained once for each inner fold.

    Attributes
    ----------
    held_out : ndarray of shape (n_training_records, n_classes)
        Each record by the training that did not use its inner fold.
    test : list of ndarray of shape (n_test_records, n_classes)
        By each of the trainings.
    """

    held_out: FloatArray
    test: list[FloatArray]


def _of_classifier(
    fold: _Fold, classifier: Classifier, settings: TrainingSettings
) -> _Parts:
    """Train a classifier for each inner fold; predict this fold and the test records.

    The classifier is trained on the other inner folds, and the deep features of
    held-out and test records come from the extractor of this inner fold. Both are
    predicted in the same way, so that thresholds fit the probabilities.
    """

    def predict(number: int) -> tuple[FloatArray, FloatArray]:
        held_out = fold.inner[number].held_out
        training = Selection(fold.store, np.setdiff1d(fold.outer.training, held_out))
        deep = fold.held_out if classifier.uses_deep_features else None
        test_deep = fold.test[number] if classifier.uses_deep_features else None
        fitted = classifier.fit(training, classifier.feature_sets, deep, settings)
        return tuple(
            fitted.logits(
                read_table(Selection(fold.store, rows), classifier.feature_sets, of)
            )
            for rows, of in ((held_out, deep), (fold.outer.test, test_deep))
        )

    return _predicted(fold, predict)


def _of_extractors(fold: _Fold) -> _Parts:
    """Return the predictions of the extractors themselves."""

    def predict(number: int) -> tuple[FloatArray, FloatArray]:
        outputs, held_out = fold.outputs[number], fold.inner[number].held_out
        return (
            probabilities_of(_values(outputs, held_out, "logits")),
            probabilities_of(_values(outputs, fold.outer.test, "logits")),
        )

    return _predicted(fold, predict)


def _of_fusion(fold: _Fold, fused: Fused, parts: Mapping[str, _Parts]) -> _Parts:
    """Fit a sum of logits for each inner fold; predict this fold and the test records.

    It is fitted to the predictions of the other inner folds, each by a training that
    did not use the record.
    """
    labels = fold.store.labels(rows=fold.outer.training, dtype=np.float64)
    inner_of = np.empty(len(labels), np.int64)
    for number, inner in enumerate(fold.inner):
        inner_of[np.searchsorted(fold.outer.training, inner.held_out)] = number
    held_out = [logit(parts[name].held_out) for name in fused.parts]

    def predict(number: int) -> tuple[FloatArray, FloatArray]:
        seen, own = inner_of != number, inner_of == number
        fusion = fit_fusion([of[seen] for of in held_out], labels[seen], inner_of[seen])
        test = [logit(parts[name].test[number]) for name in fused.parts]
        return (
            fusion.probabilities([of[own] for of in held_out]),
            fusion.probabilities(test),
        )

    return _predicted(fold, predict)


def _predicted(
    fold: _Fold, predict: Callable[[int], tuple[FloatArray, FloatArray]]
) -> _Parts:
    """Return the predictions for every inner fold.

    `predict` takes the number of an inner fold, and returns the probabilities of its
    held-out records and of the test records.
    """
    n_classes = len(fold.store.label_names)
    held_out = np.empty((len(fold.outer.training), n_classes))
    test = []
    for number, inner in enumerate(fold.inner):
        positions = np.searchsorted(fold.outer.training, inner.held_out)
        held_out[positions], test_probabilities = predict(number)
        test.append(test_probabilities)
    return _Parts(held_out, test)


def _mean(fold: _Fold, parts: _Parts) -> FoldPredictions:
    """Return the mean over the inner folds, with thresholds from held-out records."""
    labels = fold.store.labels(rows=fold.outer.training, dtype=np.uint8)
    thresholds = f1_thresholds(labels, parts.held_out)
    return FoldPredictions(np.mean(parts.test, axis=0), thresholds)


def _values(outputs: Outputs, rows: IntArray, deep_inputs: DeepInputs) -> Float32Array:
    """Return the logits or features of some rows."""
    positions = np.searchsorted(outputs.rows, rows)
    if not np.array_equal(outputs.rows.take(positions, mode="clip"), rows):
        raise ValueError(
            "an extractor has no outputs for some rows; expected outputs for its "
            "held-out records and all test records"
        )
    values: Float32Array = getattr(outputs, deep_inputs)[positions]
    return values


def _joined(
    store: Store, parts: Sequence[tuple[IntArray, Float32Array]]
) -> DeepFeatures:
    """Return deep features by row of the store."""
    values = np.full((len(store), parts[0][1].shape[1]), np.nan, np.float32)
    for rows, part in parts:
        values[rows] = part
    return DeepFeatures(values)


def _with_threshold_half(probabilities: FloatArray) -> FoldPredictions:
    """Return predictions with the threshold 0.5 for every class."""
    return FoldPredictions(probabilities, np.full(probabilities.shape[1], 0.5))
