"""One outer fold of a comparison: everything learnt within it, its records judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.models.comparison.baselines import always_commonest, source_only
from ecgstore.models.comparison.classifiers import CLASSIFIERS, Classifier
from ecgstore.models.comparison.cross_fitting import InnerFold
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.models.inference.run import Outputs, probabilities_of
from ecgstore.models.settings import DeepInputs, TrainingSettings
from ecgstore.models.tabular.table import DeepFeatures
from ecgstore.scores.multilabel import f1_thresholds
from ecgstore.storage import Selection, Store


@dataclass(frozen=True, eq=False, slots=True)
class FoldPredictions:
    """What a classifier said about the test records of an outer fold.

    Attributes
    ----------
    probabilities : ndarray of shape (n_test_records, n_classes)
        In the order of `OuterFold.test`; the mean over the inner folds.
    thresholds : ndarray of shape (n_classes,)
        Probabilities from which a class counts as said: those of the best F1 in the
        training records.
    """

    probabilities: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class _Fold:
    """An outer fold with what its extractors found.

    Attributes
    ----------
    store, outer, inner, found
        As in `judge`.
    held_out : DeepFeatures
        Those of every training record, by the extractor that has not seen it.
    tested : list of DeepFeatures
        Those of the test records, by each extractor.
    """

    store: Store
    outer: OuterFold
    inner: Sequence[InnerFold]
    found: Sequence[Outputs]
    held_out: DeepFeatures
    tested: list[DeepFeatures]


def predict_outer_fold(
    store: Store,
    outer: OuterFold,
    inner: Sequence[InnerFold],
    found: Sequence[Outputs],
    settings: TrainingSettings,
    *,
    deep_inputs: DeepInputs = "logits",
    age_sex: bool = False,
) -> dict[str, FoldPredictions]:
    """Train every mode on the training records; judge the test records.

    Every mode is trained as often as there are inner folds, each time without one of
    them, and the probabilities of the test records are averaged: no mode has the
    advantage of being a mean of several, or of one, over the others.

    The features of a record from which a classifier learns come from an extractor that
    has not seen this record, but has seen those of the inner fold that is left out for
    the thresholds. These may be a little too good for it; the test records are not
    concerned.

    Parameters
    ----------
    store : Store
        The store.
    outer : OuterFold
        Whose test records are judged.
    inner : sequence of InnerFold
        The parts of its training records.
    found : sequence of Outputs
        What the extractor of each inner fold found in the records held out from it and
        in the test records.
    settings : TrainingSettings
        How the small networks are trained.
    deep_inputs : {"logits", "features"}
        What of the extractors is given to the fusion.
    age_sex : bool
        Give age and sex to every mode.

    Returns
    -------
    dict
        By name of the mode; also the extractors' own classification, and the floors.
    """
    fold = _Fold(
        store,
        outer,
        inner,
        found,
        held_out=_joined(
            store,
            [
                (each.held_out, _values(its, each.held_out, deep_inputs))
                for each, its in zip(inner, found, strict=True)
            ],
        ),
        tested=[
            _joined(store, [(outer.test, _values(each, outer.test, deep_inputs))])
            for each in found
        ],
    )
    judged = {
        "always-commonest": _floor(always_commonest(store, outer)),
        "source-only": _floor(source_only(store, outer)),
        "extractor": _judge_extractors(fold),
    }
    for name, mode in CLASSIFIERS.items():
        chosen = mode.with_age_and_sex() if age_sex else mode
        judged[name] = _judge_mode(fold, chosen, settings)
    return judged


def _judge_mode(
    fold: _Fold, mode: Classifier, settings: TrainingSettings
) -> FoldPredictions:
    """Learn without each inner fold; judge that fold, for thresholds, and the test.

    Both in the same way, so that thresholds and probabilities are of one kind: the
    records that are judged went through the extractor of this inner fold, and the
    classifier has learnt from the other inner folds.
    """

    def judge_by(number: int) -> tuple[FloatArray, FloatArray]:
        held_out = fold.inner[number].held_out
        rest = np.setdiff1d(fold.outer.training, held_out)
        deep = fold.held_out if mode.is_deep else None
        classify = mode.learn(Selection(fold.store, rest), mode.kinds, deep, settings)
        tested = fold.tested[number] if mode.is_deep else None
        return (
            classify(Selection(fold.store, held_out), deep),
            classify(Selection(fold.store, fold.outer.test), tested),
        )

    return _judged(fold, judge_by)


def _judge_extractors(fold: _Fold) -> FoldPredictions:
    """Return the extractors' own classification."""

    def judge_by(number: int) -> tuple[FloatArray, FloatArray]:
        found, held_out = fold.found[number], fold.inner[number].held_out
        return (
            probabilities_of(_values(found, held_out, "logits")),
            probabilities_of(_values(found, fold.outer.test, "logits")),
        )

    return _judged(fold, judge_by)


def _judged(
    fold: _Fold, judge_by: Callable[[int], tuple[FloatArray, FloatArray]]
) -> FoldPredictions:
    """Return the mean over the inner folds, and thresholds from the records held out.

    Parameters
    ----------
    fold : _Fold
        The outer fold.
    judge_by : callable
        From the number of an inner fold to the probabilities of the records held out
        from it, and of the test records.
    """
    labels = fold.store.labels(rows=fold.outer.training)
    said = np.empty(labels.shape)
    tested = []
    for number, inner in enumerate(fold.inner):
        places = np.searchsorted(fold.outer.training, inner.held_out)
        said[places], of_test = judge_by(number)
        tested.append(of_test)
    return FoldPredictions(np.mean(tested, axis=0), f1_thresholds(labels, said))


def _values(found: Outputs, rows: np.ndarray, kind: DeepInputs) -> Float32Array:
    """Return what an extractor found in some of its records."""
    places = np.searchsorted(found.rows, rows)
    if not np.array_equal(found.rows.take(places, mode="clip"), rows):
        raise ValueError("an extractor is asked about records it has not judged")
    values: Float32Array = getattr(found, kind)[places]
    return values


def _joined(
    store: Store, parts: Sequence[tuple[np.ndarray, Float32Array]]
) -> DeepFeatures:
    """Return deep features by row of the store."""
    values = np.full((len(store), parts[0][1].shape[1]), np.nan, np.float32)
    for rows, part in parts:
        values[rows] = part
    return DeepFeatures(values)


def _floor(probabilities: FloatArray) -> FoldPredictions:
    """Return a classification with the threshold 0.5 for every class."""
    return FoldPredictions(probabilities, np.full(probabilities.shape[1], 0.5))
