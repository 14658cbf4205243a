"""Add the logits of further classifiers to those of a first one, and calibrate the sum.

The first classifier is the strongest alone. The others are added with weights that are
shrunk towards one weight for all classes, which is not negative: with few records of a
class, weights of its own would follow chance. At weights of 0 the sum is the first
classifier. All is fitted to logits of records that the classifiers have not seen.

The model is logistic regression on logits: stacking, Wolpert 1992, Neural Networks
5:241-259, with the penalty of hierarchical ("partially pooled") coefficients, Gelman
and Hill 2006, chapter 12; scale and offset are Platt's: Platt 1999, Advances in Large
Margin Classifiers, 61-74. The scale is the same for all classes, and offsets have a
normal prior of standard deviation 1 (log-odds): those of a rare class would follow a
few records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from ecgstore.arrays import BoolArray, FloatArray, IntArray

LARGEST_LOGIT: Final = 30.0
"""Logits are clipped here: classifiers may be certain, with infinite ones."""

STRENGTHS: Final = (1.0, 10.0, 100.0, 1000.0, np.inf)
"""Strengths of the penalty to choose from; with the last one, weights of all classes
are alike."""

_OFFSET_STRENGTH: Final = 1.0
"""Strength of the penalty of offsets: the inverse of the variance of their prior."""


@dataclass(frozen=True, eq=False, slots=True)
class LogitFusion:
    """Weights of classifiers, a scale, and an offset for each class.

    Attributes
    ----------
    weights : ndarray of shape (n_classifiers, n_classes)
        Those of the first classifier are 1.
    centres : ndarray of shape (n_classifiers, n_classes)
        Subtracted from the logits before; 0 for the first classifier.
    scale, offset : ndarray of shape (n_classes,)
        Of the sum; the scale is positive, and the same for all classes.
    strength : float
        Strength of the penalty that was chosen.
    """

    weights: FloatArray
    centres: FloatArray
    scale: FloatArray
    offset: FloatArray
    strength: float

    def logits(self, logits: Sequence[FloatArray]) -> FloatArray:
        """Return the calibrated logits of the sum, of shape (n_records, n_classes).

        Parameters
        ----------
        logits : sequence of ndarray of shape (n_records, n_classes)
            Of each classifier, in the order of `fit_fusion`.
        """
        centred = _stacked(logits) - self.centres[:, None]
        total = np.einsum("mnc,mc->nc", centred, self.weights)
        calibrated: FloatArray = self.scale * total + self.offset
        return calibrated

    def probabilities(self, logits: Sequence[FloatArray]) -> FloatArray:
        """Return the calibrated probabilities of the sum."""
        probabilities: FloatArray = expit(self.logits(logits))
        return probabilities


class _Parameters(NamedTuple):
    """What is fitted, by name; a weight of a class is the shared one plus its own."""

    shared: FloatArray  # (n_others,): weights of the other classifiers
    own: FloatArray  # (n_others, n_classes)
    log_scale: float
    offset: FloatArray  # (n_classes,)

    @classmethod
    def of(cls, values: FloatArray, n_others: int, n_classes: int) -> "_Parameters":
        """Return the parameters that are stored one behind the other."""
        ends = np.cumsum([n_others, n_others * n_classes, 1])
        shared, own, log_scale, offset = np.split(values, ends)
        own = own.reshape(n_others, n_classes)
        return cls(shared, own, float(log_scale[0]), offset)


def fit_fusion(
    logits: Sequence[FloatArray], labels: FloatArray, folds: IntArray
) -> LogitFusion:
    """Fit weights, scale and offsets; choose the strength of the penalty.

    The strength is the one with the smallest cross entropy on folds that were left out.

    Parameters
    ----------
    logits : sequence of ndarray of shape (n_records, n_classes)
        Of each classifier, for records that it was not trained on; the strongest first.
    labels : ndarray of shape (n_records, n_classes)
        1 where a record has a class. A class that all or none of the records have
        keeps the first classifier.
    folds : ndarray of shape (n_records,)
        Number of the fold of each record; no patient is in two.

    Returns
    -------
    LogitFusion
    """
    stacked = _stacked(logits)
    numbers = np.unique(folds)
    costs = []
    for strength in STRENGTHS if len(numbers) > 1 else ():
        cost = 0.0
        for number in numbers:
            seen = folds != number
            fusion = _fit(stacked[:, seen], labels[seen], strength)
            held_out = fusion.logits([*stacked[:, ~seen]])
            cost += cross_entropy(labels[~seen], held_out)
        costs.append(cost)
    # Of equal costs the stronger penalty; without folds the strongest.
    best = len(costs) - 1 - int(np.argmin(costs[::-1])) if costs else -1
    return _fit(stacked, labels, STRENGTHS[best])


def cross_entropy(labels: FloatArray, logits: FloatArray) -> float:
    """Return the sum of the binary cross entropies of all records and classes."""
    return -float(
        np.sum(labels * log_expit(logits) + (1 - labels) * log_expit(-logits))
    )


def _stacked(logits: Sequence[FloatArray]) -> FloatArray:
    """Return the clipped logits as one array: (n_classifiers, n_records, n_classes)."""
    array = np.stack([np.asarray(values, np.float64) for values in logits])
    return np.clip(array, -LARGEST_LOGIT, LARGEST_LOGIT)


def _fit(stacked: FloatArray, labels: FloatArray, strength: float) -> LogitFusion:
    """Fit all parameters under a penalty."""
    n_others, n_classes = len(stacked) - 1, labels.shape[1]
    varies = labels.min(axis=0, initial=1) != labels.max(axis=0, initial=0)
    centres = stacked.mean(axis=1) if stacked.shape[1] else stacked.sum(axis=1)
    centres[0] = 0
    centred = stacked - centres[:, None]
    start = np.zeros(n_others + n_others * n_classes + 1 + n_classes)
    found = minimize(
        _cost,
        start,
        args=(centred, labels, varies, strength),
        jac=True,
        method="L-BFGS-B",
        bounds=_bounds(n_others, n_classes, varies, strength),
        options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7},
    )
    fitted = _Parameters.of(found.x, n_others, n_classes)
    weights = np.ones((n_others + 1, n_classes))
    weights[1:] = np.where(varies, fitted.shared[:, None] + fitted.own, 0)
    scale = np.full(n_classes, np.exp(fitted.log_scale))
    return LogitFusion(weights, centres, scale, fitted.offset, strength)


def _bounds(
    n_others: int, n_classes: int, varies: BoolArray, strength: float
) -> list[tuple[float | None, float | None]]:
    """Return the lowest and the highest value of each parameter."""
    free, zero = (None, None), (0.0, 0.0)
    own = [free if kept and np.isfinite(strength) else zero for kept in varies]
    offset = [free if kept else zero for kept in varies]
    shared = [(0.0, None)] * n_others
    return [*shared, *own * n_others, (-3.0, 3.0), *offset]


def _cost(
    values: FloatArray,
    centred: FloatArray,
    labels: FloatArray,
    varies: BoolArray,
    strength: float,
) -> tuple[float, FloatArray]:
    """Return the penalised cross entropy, and its gradient."""
    n_others, n_classes = len(centred) - 1, labels.shape[1]
    p = _Parameters.of(values, n_others, n_classes)
    weights = p.shared[:, None] + p.own
    scale = np.exp(p.log_scale)
    total = centred[0] + np.einsum("mnc,mc->nc", centred[1:], weights)
    logits = scale * total + p.offset
    entropies = labels * log_expit(logits) + (1 - labels) * log_expit(-logits)
    finite = strength if np.isfinite(strength) else 0.0  # the others are 0 by bounds
    penalty = finite * np.sum(p.own**2) + _OFFSET_STRENGTH * np.sum(p.offset**2)
    cost = -float(entropies[:, varies].sum()) + 0.5 * penalty
    error = (expit(logits) - labels) * varies
    of_weights = scale * np.einsum("nc,mnc->mc", error, centred[1:])
    of_scale = scale * np.sum(error * total)
    gradient: FloatArray = np.concatenate(
        [
            of_weights.sum(axis=1),
            (of_weights + finite * p.own).ravel(),
            [of_scale],
            error.sum(axis=0) + _OFFSET_STRENGTH * p.offset,
        ]
    )
    return cost, gradient
