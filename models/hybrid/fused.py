"""Fit the sum of the logits of several classifiers, and the thresholds of its sum."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgstore.arrays import FloatArray, IntArray, UInt8Array
from ecgstore.models.tabular.logit_fusion import LogitFusion, fit_fusion
from ecgstore.scores.thresholds import f1_thresholds


@dataclass(frozen=True, eq=False, slots=True)
class FittedSum:
    """A sum of logits, and what it predicts for the records it was fitted on.

    Attributes
    ----------
    fusion : LogitFusion
        Weights and calibration, fitted to all records.
    thresholds : ndarray of shape (n_classes,)
        Probabilities with the best F1 among `held_out`.
    held_out : ndarray of shape (n_records, n_classes)
        Probabilities of each record by weights that were fitted to the other folds.
    """

    fusion: LogitFusion
    thresholds: FloatArray
    held_out: FloatArray


def fit_sum(
    logits: Sequence[FloatArray], labels: UInt8Array, folds: IntArray
) -> FittedSum:
    """Fit weights, calibration and thresholds to logits of unseen records.

    Parameters
    ----------
    logits : sequence of ndarray of shape (n_records, n_classes)
        Of each classifier, by trainings that did not use the record; the strongest
        classifier first.
    labels : ndarray of shape (n_records, n_classes)
        1 where a record has a class.
    folds : ndarray of shape (n_records,)
        The fold that was left out for each record.
    """
    true = labels.astype(np.float64)
    held_out = np.empty(true.shape)
    for number in np.unique(folds):
        seen, own = folds != number, folds == number
        fusion = fit_fusion([of[seen] for of in logits], true[seen], folds[seen])
        held_out[own] = fusion.probabilities([of[own] for of in logits])
    return FittedSum(
        fit_fusion(logits, true, folds), f1_thresholds(labels, held_out), held_out
    )
