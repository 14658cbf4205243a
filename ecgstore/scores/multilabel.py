"""Scores of multi-label predictions in which every record counts once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.scores.label_arrays import as_labels, as_probabilities
from ecgstore.scores.ranking import ranking_scores
from ecgstore.scores.table import CLASS_SCORES, SCORES
from ecgstore.scores.weighted import weighted_scores


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """All scores of one set of predictions.

    Attributes
    ----------
    overall : Mapping
        By name (`ecgstore.scores.table.SCORES`), the score of all records. For scores
        per class, the mean over the classes for which it is defined, NaN if for none.
    by_class : Mapping
        By name (`ecgstore.scores.table.CLASS_SCORES`), the score of each class, an
        ndarray of shape (n_classes,). NaN where undefined: for AUROC and average
        precision, where no record or every record has the class; for F1, where no
        record has it.
    thresholds : ndarray of shape (n_classes,)
        Decision thresholds: a class is predicted at this probability or above.
    n_positive : ndarray of shape (n_classes,)
        Number of records with each class.
    n_records : int
        Number of records.
    """

    overall: Mapping[str, float]
    by_class: Mapping[str, FloatArray]
    thresholds: FloatArray
    n_positive: IntArray
    n_records: int

    @property
    def n_defined(self) -> dict[str, int]:
        """Number of classes for which each score of `by_class` is defined.

        Macro averages are taken over these classes.
        """
        return {
            name: int((~np.isnan(values)).sum())
            for name, values in self.by_class.items()
        }

    def to_dict(
        self,
    ) -> dict[str, float | list[float | None] | dict[str, int] | None]:
        """Return everything for JSON, by name: arrays as lists, NaN as None."""
        return {
            **{name: _or_none(value) for name, value in self.overall.items()},
            **{
                name: [_or_none(value) for value in values.tolist()]
                for name, values in self.by_class.items()
            },
            "thresholds": self.thresholds.tolist(),
            "n_positive": self.n_positive.tolist(),
            "n_defined": self.n_defined,
            "n_records": self.n_records,
        }


def _or_none(value: float) -> float | None:
    """Return a number, or None for NaN."""
    return None if value != value else value


def score(labels: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike) -> Scores:
    """Score one set of predictions.

    Parameters
    ----------
    labels : array_like of shape (n_records, n_classes)
        Which classes each record has, as bool or as 0 and 1.
    probabilities : array_like of shape (n_records, n_classes)
        Predicted probabilities of the classes.
    thresholds : array_like of shape (n_classes,), or float
        A class is predicted where its probability is at least this. With thresholds
        that were chosen on the same records (`f1_thresholds`), scores are optimistic.

    Raises
    ------
    ValueError
        If the shapes differ, or values are out of range.

    Examples
    --------
    >>> labels, probabilities = [[1, 0], [0, 1]], [[0.9, 0.2], [0.2, 0.4]]
    >>> scores = score(labels, probabilities, 0.5).overall
    >>> scores["macro_auroc"], scores["macro_f1"], scores["subset_accuracy"]
    (1.0, 0.5, 0.5)
    """
    true = as_labels(labels, "labels")
    predicted = as_probabilities(probabilities, "probabilities", true.shape)
    n_records, n_classes = true.shape
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.shape not in ((), (n_classes,)):
        raise ValueError(
            f"thresholds has shape {limits.shape}, expected one number or one for each "
            f"of the {n_classes} classes"
        )
    once = np.ones((n_records, 1))
    weighted = weighted_scores(true, predicted, predicted >= limits, once)
    return Scores(
        overall=dict(zip(SCORES, weighted.overall[0].tolist(), strict=True)),
        by_class=dict(zip(CLASS_SCORES, weighted.by_class[0], strict=True)),
        thresholds=np.broadcast_to(limits, n_classes).copy(),
        n_positive=true.sum(axis=0),
        n_records=n_records,
    )


def auroc(labels: ArrayLike, probabilities: ArrayLike) -> FloatArray:
    """Return the area under the ROC curve of each class.

    Parameters
    ----------
    labels : array_like of shape (n_records, n_classes)
        Which classes each record has, as bool or as 0 and 1.
    probabilities : array_like of shape (n_records, n_classes)
        From 0 to 1; only their order matters.

    Returns
    -------
    ndarray of shape (n_classes,)
        NaN where no record or every record has the class.

    Raises
    ------
    ValueError
        If the shapes differ, or values are out of range.

    Examples
    --------
    >>> auroc([[1, 0], [0, 0], [1, 0]], [[0.7, 0.1], [0.5, 0.2], [0.5, 0.3]])
    array([0.75,  nan])
    """
    true = as_labels(labels, "labels")
    predicted = as_probabilities(probabilities, "probabilities", true.shape)
    areas, _ = ranking_scores(true, predicted, np.ones((len(true), 1)))
    first: FloatArray = areas[0]
    return first
