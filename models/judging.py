"""One outer fold of a comparison: everything learnt within it, its records judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.models.cross_fitting import InnerFold
from ecgstore.models.floors import always_commonest, source_only
from ecgstore.models.inference import Found, probabilities_of
from ecgstore.models.modes import MODES, Mode
from ecgstore.models.outer_folds import OuterFold
from ecgstore.models.scores import f1_thresholds
from ecgstore.models.settings import DeepInputs, TrainingSettings
from ecgstore.models.table import DeepFeatures
from ecgstore.storage import Selection, Store


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """What a classifier said about the test records of an outer fold.

    Attributes
    ----------
    probabilities : ndarray of shape (n_test_records, n_classes)
        In the order of `OuterFold.test`.
    thresholds : ndarray of shape (n_classes,)
        Probabilities from which a class counts as said: those of the best F1 in the
        training records.
    """

    probabilities: FloatArray
    thresholds: FloatArray


def judge(
    store: Store,
    outer: OuterFold,
    inner: Sequence[InnerFold],
    found: Sequence[Found],
    settings: TrainingSettings,
    *,
    deep_inputs: DeepInputs = "logits",
    age_sex: bool = False,
) -> dict[str, Judged]:
    """Train every mode on the training records; judge the test records.

    Parameters
    ----------
    store : Store
        The store.
    outer : OuterFold
        Whose test records are judged.
    inner : sequence of InnerFold
        The parts of its training records.
    found : sequence of Found
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
    labels = store.labels(rows=outer.training)
    held_out = _joined(
        store,
        [
            (fold.held_out, _values(each, fold.held_out, deep_inputs))
            for fold, each in zip(inner, found, strict=True)
        ],
    )
    tested = [
        _joined(store, [(outer.test, _values(each, outer.test, deep_inputs))])
        for each in found
    ]
    judged = {
        "always-commonest": _floor(always_commonest(store, outer)),
        "source-only": _floor(source_only(store, outer)),
        "extractor": _extractors(store, outer, inner, found),
    }
    for name, mode in MODES.items():
        chosen = mode.with_age_and_sex() if age_sex else mode
        judged[name] = _judge_mode(
            store, outer, inner, held_out, tested, chosen, settings, labels
        )
    return judged


def _judge_mode(
    store: Store,
    outer: OuterFold,
    inner: Sequence[InnerFold],
    held_out: DeepFeatures,
    tested: Sequence[DeepFeatures],
    mode: Mode,
    settings: TrainingSettings,
    labels: np.ndarray,
) -> Judged:
    """Train one mode, first without each inner fold for the thresholds, then on all."""
    deep = held_out if mode.is_deep else None
    said = np.empty(labels.shape)
    for fold in inner:
        rest = np.setdiff1d(outer.training, fold.held_out)
        classify = mode.learn(Selection(store, rest), mode.kinds, deep, settings)
        places = np.searchsorted(outer.training, fold.held_out)
        said[places] = classify(Selection(store, fold.held_out), deep)
    classify = mode.learn(Selection(store, outer.training), mode.kinds, deep, settings)
    test = Selection(store, outer.test)
    probabilities = [
        classify(test, each if mode.is_deep else None)
        for each in (tested if mode.is_deep else tested[:1])
    ]
    return Judged(np.mean(probabilities, axis=0), f1_thresholds(labels, said))


def _extractors(
    store: Store,
    outer: OuterFold,
    inner: Sequence[InnerFold],
    found: Sequence[Found],
) -> Judged:
    """Return the extractors' own classification: the mean of their probabilities."""
    said = np.empty((len(outer.training), found[0].logits.shape[1]))
    for fold, each in zip(inner, found, strict=True):
        places = np.searchsorted(outer.training, fold.held_out)
        said[places] = probabilities_of(_values(each, fold.held_out, "logits"))
    labels = store.labels(rows=outer.training)
    probabilities = [
        probabilities_of(_values(each, outer.test, "logits")) for each in found
    ]
    return Judged(np.mean(probabilities, axis=0), f1_thresholds(labels, said))


def _values(found: Found, rows: np.ndarray, kind: DeepInputs) -> Float32Array:
    """Return what an extractor found in some of its records."""
    values: Float32Array = getattr(found, kind)[np.searchsorted(found.rows, rows)]
    return values


def _joined(
    store: Store, parts: Sequence[tuple[np.ndarray, Float32Array]]
) -> DeepFeatures:
    """Return deep features by row of the store."""
    values = np.full((len(store), parts[0][1].shape[1]), np.nan, np.float32)
    for rows, part in parts:
        values[rows] = part
    return DeepFeatures(values)


def _floor(probabilities: FloatArray) -> Judged:
    """Return a classification with the threshold 0.5 for every class."""
    return Judged(probabilities, np.full(probabilities.shape[1], 0.5))
