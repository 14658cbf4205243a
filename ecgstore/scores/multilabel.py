"""Multi-label scores of predictions: ranking, decisions and calibration.

A score of a class is NaN where it is undefined, and a macro average is the mean over
the classes that are defined. Formulas and sources: `ecgstore.scores.weighted`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.scores import weighted
from ecgstore.scores.label_arrays import as_labels, as_probabilities, check_shape
from ecgstore.scores.weighted import CLASS_SCORES, N_BINS, SCORES

SCORE_TITLES: Final[Mapping[str, str]] = {
    "macro_auroc": "macro AUROC",
    "macro_average_precision": "macro average precision",
    "macro_f1": "macro F1",
    "subset_accuracy": "subset accuracy",
    "macro_calibration_error": "calibration error (less is better)",
}
"""What tables and plots call the scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How good one table of predictions is.

    Attributes
    ----------
    macro_auroc, macro_average_precision, macro_f1, macro_calibration_error : float
        Means over the classes for which the score is defined, NaN if it is for none.
    subset_accuracy : float
        Share of records with every class right.
    auroc : ndarray of shape (n_classes,)
        Area under each class's ROC curve; NaN where no record or every record has the
        class.
    average_precision : ndarray of shape (n_classes,)
        Average precision; NaN in the same places.
    f1 : ndarray of shape (n_classes,)
        F1 of the decisions; NaN where no record has the class.
    calibration_error : ndarray of shape (n_classes,)
        Expected calibration error over ten bins of equal width, as a probability.
    thresholds : ndarray of shape (n_classes,)
        From which probability on a class is decided for.
    n_positive : ndarray of shape (n_classes,)
        Number of records with each class.
    n_records : int
        Number of records.
    """

    macro_auroc: float
    macro_average_precision: float
    macro_f1: float
    subset_accuracy: float
    macro_calibration_error: float
    auroc: FloatArray
    average_precision: FloatArray
    f1: FloatArray
    calibration_error: FloatArray
    thresholds: FloatArray
    n_positive: IntArray
    n_records: int

    def to_dict(self) -> dict[str, float | list[float | None] | None]:
        """Return the scores as JSON knows them: lists, and None for what is NaN."""
        return {
            name: [_or_none(each) for each in value.tolist()]
            if isinstance(value, np.ndarray)
            else _or_none(value)
            for name, value in asdict(self).items()
        }


def _or_none(value: float) -> float | None:
    """Return a number, None if it is NaN."""
    return None if value != value else value


def score(labels: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike) -> Scores:
    """Score one table of predictions.

    Parameters
    ----------
    labels : array_like of shape (n_records, n_classes)
        Which classes each record has, as bool or as 0 and 1.
    probabilities : array_like of shape (n_records, n_classes)
        How likely it was said to have them, from 0 to 1.
    thresholds : array_like of shape (n_classes,), or float
        A class is decided for where its probability is at least this. Chosen on other
        records than these (`f1_thresholds`), or the scores are too good.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or values are not what they should be.

    Examples
    --------
    >>> labels, probabilities = [[1, 0], [0, 1]], [[0.9, 0.2], [0.2, 0.4]]
    >>> found = score(labels, probabilities, 0.5)
    >>> found.macro_auroc, found.macro_f1, found.subset_accuracy
    (1.0, 0.5, 0.5)
    """
    true, given = _pair(labels, probabilities)
    n_records, n_classes = true.shape
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.shape not in ((), (n_classes,)):
        raise ValueError(
            f"thresholds has shape {limits.shape}, expected one number or one for each "
            f"of the {n_classes} classes"
        )
    found = weighted.weighted_scores(true, given, given >= limits, _once(true))
    return Scores(
        **dict(zip(SCORES, found.whole[0].tolist(), strict=True)),
        **dict(zip(CLASS_SCORES, found.by_class[0], strict=True)),
        thresholds=np.broadcast_to(limits, n_classes).copy(),
        n_positive=true.sum(axis=0),
        n_records=n_records,
    )


def auroc(labels: ArrayLike, probabilities: ArrayLike) -> FloatArray:
    """Return the area under each class's ROC curve.

    Parameters
    ----------
    labels : array_like of shape (n_records, n_classes)
        Which classes each record has, as bool or as 0 and 1.
    probabilities : array_like of shape (n_records, n_classes)
        From 0 to 1; only their order counts.

    Returns
    -------
    ndarray of shape (n_classes,)
        NaN where no record or every record has the class.

    Examples
    --------
    >>> auroc([[1, 0], [0, 0], [1, 0]], [[0.7, 0.1], [0.5, 0.2], [0.5, 0.3]])
    array([0.75,  nan])
    """
    true, given = _pair(labels, probabilities)
    area, _ = weighted.ranking_scores(true, given, _once(true))
    return _only(area)


def average_precision(labels: ArrayLike, probabilities: ArrayLike) -> FloatArray:
    """Return each class's average precision, the area below its precision and recall.

    Parameters and result are those of `auroc`.

    Examples
    --------
    >>> average_precision([[1], [0], [1]], [[0.9], [0.8], [0.1]]).round(3)
    array([0.833])
    """
    true, given = _pair(labels, probabilities)
    _, precision = weighted.ranking_scores(true, given, _once(true))
    return _only(precision)


def f1(labels: ArrayLike, decisions: ArrayLike) -> FloatArray:
    """Return each class's F1.

    Parameters
    ----------
    labels, decisions : array_like of shape (n_records, n_classes)
        Which classes each record has, and which it was said to have.

    Returns
    -------
    ndarray of shape (n_classes,)
        2 TP / (2 TP + FP + FN); NaN where no record has the class.

    Examples
    --------
    >>> f1([[1, 0], [1, 0]], [[1, 0], [0, 1]]).round(3)
    array([0.667,   nan])
    """
    true, decided = _decided_pair(labels, decisions)
    return _only(weighted.f1(true, decided, _once(true)))


def subset_accuracy(labels: ArrayLike, decisions: ArrayLike) -> float:
    """Return the share of records with every class right.

    Parameters
    ----------
    labels, decisions : array_like of shape (n_records, n_classes)
        Which classes each record has, and which it was said to have.

    Examples
    --------
    >>> subset_accuracy([[1, 0], [1, 0]], [[1, 0], [1, 1]])
    0.5
    """
    true, decided = _decided_pair(labels, decisions)
    return float(weighted.subset_accuracy(true, decided, _once(true))[0])


def calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, n_bins: int = N_BINS
) -> FloatArray:
    """Return each class's expected calibration error.

    Parameters
    ----------
    labels : array_like of shape (n_records, n_classes)
        Which classes each record has, as bool or as 0 and 1.
    probabilities : array_like of shape (n_records, n_classes)
        How likely it was said to have them, from 0 to 1.
    n_bins : int
        Number of bins of equal width. Of a rare class nearly all records are in the
        lowest, where the error only says whether the class is expected as often as it
        occurs; but bins of equal width do not depend on the records, so that resamples
        can be compared.

    Returns
    -------
    ndarray of shape (n_classes,)
        Mean distance of probability and frequency, from 0 to 1. Few records make it
        larger, for chance alone parts the two.

    Examples
    --------
    >>> calibration_error([[1], [0]], [[0.75], [0.75]])
    array([0.25])
    """
    true, given = _pair(labels, probabilities)
    if n_bins < 1:
        raise ValueError(f"n_bins is {n_bins}, expected 1 or more")
    return _only(weighted.calibration_error(true, given, _once(true), n_bins))


def f1_thresholds(labels: ArrayLike, probabilities: ArrayLike) -> FloatArray:
    """Return the threshold of each class that gives the best F1 on these records.

    Parameters
    ----------
    labels : array_like of shape (n_records, n_classes)
        Which classes each record has, as bool or as 0 and 1.
    probabilities : array_like of shape (n_records, n_classes)
        How likely it was said to have them, from 0 to 1.

    Returns
    -------
    ndarray of shape (n_classes,)
        A class is decided for where its probability is at least this. It lies half-way
        between the least probability that is decided for and the next below; of equally
        good ones it is the highest. 0.5 where no record has the class.

    Examples
    --------
    >>> f1_thresholds([[1, 0], [1, 0], [0, 0]], [[0.9, 0.9], [0.4, 0.3], [0.2, 0.1]])
    array([0.3, 0.5])
    """
    true, given = _pair(labels, probabilities)
    return np.array(
        [_best_threshold(*each) for each in zip(true.T, given.T, strict=True)]
    )


def _best_threshold(positive: BoolArray, probability: FloatArray) -> float:
    """Return the best threshold of one class."""
    if not positive.any():
        return 0.5
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    n_found = np.cumsum(positive[order])[ends]
    # 2 TP + FP + FN is the number decided for plus the number there are
    best = int(np.argmax(2 * n_found / (ends + 1 + positive.sum())))
    least = float(falling[ends[best]])
    below = float(falling[ends[best + 1]]) if best + 1 < len(ends) else 0.0
    middle = (least + below) / 2
    return middle if middle > below else least  # nothing lies between neighbours


def _once(labels: BoolArray) -> FloatArray:
    """Return the weighting in which every record counts once."""
    return np.ones((len(labels), 1))


def _only(scores: FloatArray) -> FloatArray:
    """Return what the only weighting gave, of shape (n_classes,)."""
    only: FloatArray = scores[0]
    return only


def _pair(labels: ArrayLike, probabilities: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Return labels and probabilities that fit each other."""
    true = as_labels(labels, "labels")
    return true, as_probabilities(probabilities, "probabilities", true.shape)


def _decided_pair(
    labels: ArrayLike, decisions: ArrayLike
) -> tuple[BoolArray, BoolArray]:
    """Return labels and decisions that fit each other."""
    true, decided = as_labels(labels, "labels"), as_labels(decisions, "decisions")
    check_shape(decided, "decisions", true.shape)
    return true, decided
