"""Fit a linear classifier to features of fixed layers, without steps and epochs.

Logistic regression with an L2 penalty, one for each class, on standardised features.
With fewer records than features, it is solved in the space that the records span, which
gives the same classifier: the penalty keeps the weights in it (the representer theorem;
Hastie and Tibshirani 2004, Biostatistics 5:329-340).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from ecgstore.arrays import Float32Array, FloatArray, IntArray

STRENGTHS: Final = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Strengths of the penalty to choose from, strongest first. The penalty is the strength
times the sum of squares of the weights times the number of features, per class, added
to the sum of the cross entropies."""

_SMALLEST_SD: Final = 1e-4
"""Divisor of features that hardly vary."""

_RANK_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, eq=False, slots=True)
class LinearHead:
    """A linear classifier of features.

    Attributes
    ----------
    weight : ndarray of shape (n_classes, n_features)
        float32, for features that are not standardised.
    bias : ndarray of shape (n_classes,)
        float32.
    strength : float
        Strength of the penalty that was chosen.
    """

    weight: Float32Array
    bias: Float32Array
    strength: float


def fit_linear_head(
    features: Float32Array, labels: FloatArray, folds: IntArray
) -> LinearHead:
    """Fit the classifier; choose its penalty on folds that were left out.

    The strength is the one with the smallest cross entropy on folds left out.

    Parameters
    ----------
    features : ndarray of shape (n_records, n_features)
        Features of the training records.
    labels : ndarray of shape (n_records, n_classes)
        1 where a record has a class.
    folds : ndarray of shape (n_records,)
        Number of the fold of each record; no patient is in two.

    Returns
    -------
    LinearHead
    """
    table = features.astype(np.float64)
    numbers = np.unique(folds)
    costs = np.zeros(len(STRENGTHS))
    for number in numbers if len(numbers) > 1 else ():
        seen, own = folds != number, folds == number
        inputs = _Inputs.of(table[seen])
        held_out = inputs.of_records(table[own])
        for place, strength in enumerate(STRENGTHS):
            values = _fit(inputs.values, labels[seen], strength)
            logits = held_out @ values[1:] + values[0]
            costs[place] += _cross_entropy(labels[own], logits)
    strength = STRENGTHS[int(np.argmin(costs))]
    inputs = _Inputs.of(table)
    weight, bias = inputs.of_features(_fit(inputs.values, labels, strength))
    return LinearHead(weight.astype(np.float32), bias.astype(np.float32), strength)


@dataclass(frozen=True, eq=False, slots=True)
class _Inputs:
    """Standardised features, in the space that the training records span.

    Attributes
    ----------
    mean, divisor : ndarray of shape (n_features,)
        Of the training records.
    basis : ndarray of shape (n_features, rank) or None
        Orthonormal basis of the space; None if that has all dimensions.
    values : ndarray of shape (n_records, rank)
        The training records.
    """

    mean: FloatArray
    divisor: FloatArray
    basis: FloatArray | None
    values: FloatArray

    @classmethod
    def of(cls, table: FloatArray) -> "_Inputs":
        """Return those of the features of training records."""
        mean = table.mean(axis=0)
        divisor = np.maximum(table.std(axis=0), _SMALLEST_SD) * np.sqrt(table.shape[1])
        standardised = (table - mean) / divisor
        basis = _basis(standardised)
        inputs = standardised if basis is None else standardised @ basis
        return cls(mean, divisor, basis, inputs)

    def of_records(self, table: FloatArray) -> FloatArray:
        """Return the inputs of other records: (n_records, rank)."""
        standardised = (table - self.mean) / self.divisor
        inputs: FloatArray = (
            standardised if self.basis is None else standardised @ self.basis
        )
        return inputs

    def of_features(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return weights (n_classes, n_features) and biases (n_classes,).

        Parameters
        ----------
        values : ndarray of shape (1 + rank, n_classes)
            Result of `_fit`.
        """
        inner = values[1:] if self.basis is None else self.basis @ values[1:]
        weight = inner.T / self.divisor
        return weight, values[0] - weight @ self.mean


def _cross_entropy(labels: FloatArray, logits: FloatArray) -> float:
    """Return the sum of the cross entropies of all records and classes."""
    return -float(
        np.sum(labels * log_expit(logits) + (1 - labels) * log_expit(-logits))
    )


def _fit(inputs: FloatArray, labels: FloatArray, strength: float) -> FloatArray:
    """Return biases, and below them weights of the inputs: (1 + rank, n_classes)."""
    n_classes = labels.shape[1]

    def cost(flat: FloatArray) -> tuple[float, FloatArray]:
        values = flat.reshape(-1, n_classes)
        logits = inputs @ values[1:] + values[0]
        error = expit(logits) - labels
        gradient = np.vstack(
            [error.sum(axis=0), inputs.T @ error + strength * values[1:]]
        )
        penalty = 0.5 * strength * np.sum(values[1:] ** 2)
        return _cross_entropy(labels, logits) + penalty, gradient.ravel()

    start = np.zeros((inputs.shape[1] + 1, n_classes))
    found = minimize(
        cost, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300}
    )
    fitted: FloatArray = found.x.reshape(-1, n_classes)
    return fitted


def _basis(standardised: FloatArray) -> FloatArray | None:
    """Return an orthonormal basis (n_features, rank) of the span of few records."""
    n_records, n_features = standardised.shape
    if n_records >= n_features:
        return None
    values, vectors = np.linalg.eigh(standardised @ standardised.T)
    kept = values > _RANK_TOLERANCE * values.max(initial=0)
    basis: FloatArray = standardised.T @ (vectors[:, kept] / np.sqrt(values[kept]))
    return basis
