"""The predictions of every classifier for the test records of one outer fold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.classifiers import HYBRIDS, JOINED, NAMES, Joined
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.models.comparison.settings import DeepInputs
from ecgstore.models.hybrid.fused import fit_sum
from ecgstore.models.hybrid.inner_folds import InnerFold, fold_of_rows
from ecgstore.models.hybrid.parts import feature_sets, fit_on_table, table_settings
from ecgstore.models.hybrid.settings import HybridSettings, Part
from ecgstore.models.running import Outputs, probabilities_of
from ecgstore.models.tabular.fits import FITS, Kind
from ecgstore.models.tabular.table import DeepFeatures, read_table
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Selection, Store


@dataclass(frozen=True, eq=False, slots=True)
class FoldPredictions:
    """Predictions of a classifier for the test records of an outer fold.

    Attributes
    ----------
    probabilities : ndarray of shape (n_test_records, n_classes)
        In the order of `OuterFold.test`.
    thresholds : ndarray of shape (n_classes,)
        Thresholds with the best F1 on the training records, each predicted while it was
        held out.
    """

    probabilities: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class _Logits:
    """Logits of a classifier.

    Attributes
    ----------
    held_out : ndarray of shape (n_training_records, n_classes)
        Each record by the training that did not use its inner fold.
    test : ndarray of shape (n_test_records, n_classes)
        By the training that is used.
    """

    held_out: FloatArray
    test: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class _Fold:
    """An outer fold with the outputs of its extractors; see `predict_outer_fold`."""

    store: Store
    outer: OuterFold
    inner: Sequence[InnerFold]
    outputs: Sequence[Outputs]
    settings: HybridSettings

    @property
    def unseen(self) -> Sequence[InnerFold]:
        """The inner folds with held-out records."""
        return self.inner[:-1]

    def empty(self) -> FloatArray:
        """Return an array for the training records."""
        n_classes = len(self.store.label_names)
        return np.empty((len(self.outer.training), n_classes))

    def places(self, inner: InnerFold) -> IntArray:
        """Return where the held-out records are among the training records."""
        return np.searchsorted(self.outer.training, inner.held_out)


def predict_outer_fold(
    store: Store,
    outer: OuterFold,
    inner: Sequence[InnerFold],
    outputs: Sequence[Outputs],
    settings: HybridSettings,
    *,
    deep_inputs: DeepInputs = "logits",
    with_joined: bool = True,
) -> dict[str, FoldPredictions]:
    """Train every classifier on the training records; predict the test records.

    The parts of a hybrid, and the hybrids, are trained as `train_hybrid` does: once for
    each inner fold, to predict it, and once on all training records, to predict the
    test records.

    A classifier on deep features is trained once per inner fold, on the records of the
    other inner folds, and the probabilities of the test records are averaged: its deep
    features of test records come from an extractor like those of its training. The deep
    features of a training record come from an extractor that has not seen this record,
    but that was trained on records of the inner fold which is held out for the
    thresholds. Probabilities of held-out records, and with them the thresholds, may
    therefore be slightly optimistic; the test records are not affected.

    Parameters
    ----------
    store : Store
        The records.
    outer : OuterFold
        Training and test records.
    inner : sequence of InnerFold
        Result of `inner_folds` for the training records.
    outputs : sequence of Outputs
        Outputs of the extractor of each inner fold, for its held-out records and the
        test records.
    settings : HybridSettings
        Settings of the classifiers.
    deep_inputs : {"logits", "features"}
        Which outputs of the extractors are the deep features.
    with_joined : bool
        Whether the classifiers of `JOINED` are trained, too.

    Returns
    -------
    dict
        Predictions by name: the baselines, the parts of hybrids (`NAMES`), the
        classifiers of `JOINED`, and `HYBRIDS`.
    """
    fold = _Fold(store, outer, inner, outputs, settings)
    predictions = {
        name: _with_threshold_half(baseline.predict(store, outer))
        for name, baseline in BASELINES.items()
    }
    parts: dict[Part, _Logits] = {
        "trees": _on_table(fold, "trees"),
        "network": _on_table(fold, "network"),
        "extractor": _of_extractors(fold),
    }
    predictions |= {NAMES[part]: _decided(fold, parts[part]) for part in parts}
    if with_joined:
        deep = _deep_features(fold, deep_inputs)
        predictions |= {
            name: _decided(fold, _joined(fold, joined, *deep))
            for name, joined in JOINED.items()
        }
    return predictions | {
        name: _of_hybrid(fold, [parts[part] for part in hybrid.parts])
        for name, hybrid in HYBRIDS.items()
    }


def _on_table(fold: _Fold, kind: Kind) -> _Logits:
    """Train a classifier on handcrafted features for each inner fold, and on all."""
    sets = feature_sets(fold.settings.age_sex)
    held_out = fold.empty()
    for inner in fold.unseen:
        classifier = fit_on_table(kind, fold.store, inner, fold.settings)
        table = read_table(Selection(fold.store, inner.held_out), sets, None)
        held_out[fold.places(inner)] = classifier.logits(table)
    whole = fit_on_table(kind, fold.store, fold.inner[-1], fold.settings)
    test = read_table(Selection(fold.store, fold.outer.test), sets, None)
    return _Logits(held_out, whole.logits(test))


def _of_extractors(fold: _Fold) -> _Logits:
    """Return the logits of the extractors themselves."""
    held_out = fold.empty()
    for inner, outputs in zip(fold.unseen, fold.outputs, strict=False):
        held_out[fold.places(inner)] = _values(outputs, inner.held_out, "logits")
    test = _values(fold.outputs[-1], fold.outer.test, "logits")
    return _Logits(held_out, test.astype(np.float64))


def _of_hybrid(fold: _Fold, parts: Sequence[_Logits]) -> FoldPredictions:
    """Fit the sum of the logits of some parts, as `train_hybrid` does."""
    labels = fold.store.labels(rows=fold.outer.training, dtype=np.uint8)
    folds = fold_of_rows(fold.outer.training, fold.unseen)
    fitted = fit_sum([part.held_out for part in parts], labels, folds)
    # In single precision, as a hybrid returns them.
    logits = fitted.fusion.logits([part.test for part in parts]).astype(np.float32)
    return FoldPredictions(probabilities_of(logits), fitted.thresholds)


def _deep_features(
    fold: _Fold, deep_inputs: DeepInputs
) -> tuple[DeepFeatures, list[DeepFeatures]]:
    """Return the deep features of training records, and of test records by inner fold.

    Those of a training record come from the extractor that has not seen it.
    """
    unseen = [*zip(fold.unseen, fold.outputs, strict=False)]
    held_out = [
        (inner.held_out, _values(outputs, inner.held_out, deep_inputs))
        for inner, outputs in unseen
    ]
    test = fold.outer.test
    return _by_row(fold.store, held_out), [
        _by_row(fold.store, [(test, _values(outputs, test, deep_inputs))])
        for _, outputs in unseen
    ]


def _joined(
    fold: _Fold, joined: Joined, deep: DeepFeatures, test_deep: Sequence[DeepFeatures]
) -> _Logits:
    """Train a classifier on deep features for each inner fold.

    It is trained on the other inner folds, and the deep features of held-out and test
    records come from the extractor of this inner fold. Both are predicted in the same
    way, so that thresholds fit the probabilities.
    """
    store, sets = fold.store, joined.inputs(fold.settings.age_sex)
    held_out, test = fold.empty(), []
    for inner, of_test in zip(fold.unseen, test_deep, strict=True):
        training = Selection(store, inner.seen)
        classifier = FITS[joined.kind](
            training, sets, deep, table_settings(fold.settings)
        )
        table = read_table(Selection(store, inner.held_out), sets, deep)
        held_out[fold.places(inner)] = classifier.logits(table)
        of_rows = read_table(Selection(store, fold.outer.test), sets, of_test)
        test.append(probabilities_of(classifier.logits(of_rows)))
    mean: FloatArray = np.mean(test, axis=0)
    return _Logits(held_out, logit(mean))


def _decided(fold: _Fold, logits: _Logits) -> FoldPredictions:
    """Return probabilities, with thresholds from held-out records."""
    labels = fold.store.labels(rows=fold.outer.training, dtype=np.uint8)
    thresholds = f1_thresholds(labels, probabilities_of(logits.held_out))
    return FoldPredictions(probabilities_of(logits.test), thresholds)


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


def _by_row(
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
