"""The scores of the PhysioNet/Computing in Cardiology Challenge 2020.

All scores that the Challenge's evaluation prints: Perez Alday et al. 2020, *Physiol.
Meas.* 41 124003, whose definitions are also followed where a class or a record is
empty. Codes that the Challenge scores as one diagnosis are merged first: a record has
the class if it has any of the codes, and the probability is the mean over them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.diagnoses import challenge_weights, diagnoses
from ecgstore.scores.label_arrays import as_labels, as_probabilities, check_shape
from ecgstore.scores.ranking import ranking_scores
from ecgstore.scores.weighted import macro_average

NORMAL_CODE: Final = "426783006"
"""Sinus rhythm; predicting it alone for every record has a Challenge metric of 0."""

BETA: Final = 2.0
"""Weight of a missed diagnosis relative to a false alarm, in F-beta and G-beta."""


@dataclass(frozen=True, slots=True, eq=False)
class ChallengeScores:
    """All scores that the Challenge's evaluation prints.

    Attributes
    ----------
    codes : tuple of str
        SNOMED CT codes of the 24 merged classes, in the order of the Challenge's
        weights.
    auroc, auprc : float
        Means of `auroc_classes` and `auprc_classes` over the classes for which they are
        defined.
    accuracy : float
        Share of records with every class right.
    f_measure : float
        Mean of `f_measure_classes` over the classes for which it is defined.
    f_beta_measure, g_beta_measure : float
        Means over the classes of F-beta and G-beta for a beta of 2, with the records
        weighted by 1 / (number of their diagnoses).
    challenge_metric : float
        See `challenge_metric`.
    auroc_classes : ndarray of shape (24,)
        Areas under the ROC curves; NaN where no record or every record has the class.
    auprc_classes : ndarray of shape (24,)
        Areas under the precision-recall curves, as sums of steps; NaN where no record
        has the class.
    f_measure_classes : ndarray of shape (24,)
        F1 of each class; NaN where it has neither labels nor positive decisions.
    """

    codes: tuple[str, ...]
    auroc: float
    auprc: float
    accuracy: float
    f_measure: float
    f_beta_measure: float
    g_beta_measure: float
    challenge_metric: float
    auroc_classes: FloatArray
    auprc_classes: FloatArray
    f_measure_classes: FloatArray


def challenge_scores(
    labels: ArrayLike,
    decisions: ArrayLike,
    probabilities: ArrayLike,
    codes: Sequence[str],
) -> ChallengeScores:
    """Return all scores that the Challenge's evaluation prints.

    Parameters
    ----------
    labels, decisions : array_like of shape (n_records, n_codes)
        True and predicted diagnoses of each record, as bool or as 0 and 1.
    probabilities : array_like of shape (n_records, n_codes)
        Predicted probabilities of the diagnoses. NaN, for a missing probability, counts
        as 0, unless an equivalent code has one.
    codes : sequence of str
        SNOMED CT code of each column, in any order: for each of the 24 merged classes
        at least one of its codes. Columns of codes that the Challenge does not score
        are ignored.

    Raises
    ------
    ValueError
        If the shapes differ, values are out of range, a code is repeated, or a class
        has no column.

    Examples
    --------
    >>> from ecgstore.diagnoses import class_set
    >>> codes = [known.codes[0] for known in class_set("cinc2020").classes]
    >>> labels = np.eye(24)
    >>> challenge_scores(labels, labels, labels, codes).challenge_metric
    1.0
    """
    true, decided = _merged_pair(labels, decisions, codes)
    predicted = as_probabilities(
        probabilities, "probabilities", np.shape(labels), allow_nan=True
    )
    merged = _merged_probabilities(predicted, codes)
    areas, precisions = ranking_scores(true, merged, np.ones((len(true), 1)))
    auroc = areas[0]
    # Without a negative every precision is 1, which the Challenge counts as defined.
    auprc = np.where(true.all(axis=0), 1.0, precisions[0])
    f_measure = _f_measure(true, decided)
    f_beta, g_beta = _beta_measures(true, decided)
    return ChallengeScores(
        codes=_classes(),
        auroc=float(macro_average(auroc)),
        auprc=float(macro_average(auprc)),
        accuracy=float((true == decided).all(axis=1).mean()),
        f_measure=float(macro_average(f_measure)),
        f_beta_measure=float(macro_average(f_beta)),
        g_beta_measure=float(macro_average(g_beta)),
        challenge_metric=_challenge_metric(true, decided),
        auroc_classes=auroc,
        auprc_classes=auprc,
        f_measure_classes=f_measure,
    )


def challenge_metric(
    labels: ArrayLike, decisions: ArrayLike, codes: Sequence[str]
) -> float:
    """Return the Challenge metric.

    Let x be the true and y the predicted diagnoses of a record. Each pair of one of x
    and one of y earns the weight of the two diagnoses
    (`ecgstore.diagnoses.challenge_weights`), divided by the number of diagnoses in the
    union of x and y. The sum over all records is scaled so that perfect predictions
    have 1 and sinus rhythm for every record has 0; worse predictions are negative. If
    both earn the same, the metric is 0.

    Parameters and errors are those of `challenge_scores`.

    Examples
    --------
    >>> from ecgstore.diagnoses import class_set
    >>> codes = [known.codes[0] for known in class_set("cinc2020").classes]
    >>> always_normal = np.tile([code == NORMAL_CODE for code in codes], (24, 1))
    >>> challenge_metric(np.eye(24), always_normal, codes)
    0.0
    """
    return _challenge_metric(*_merged_pair(labels, decisions, codes))


def _classes() -> tuple[str, ...]:
    """Return the codes of the 24 classes, in the order of the weights."""
    codes, _ = challenge_weights()
    return tuple(code for code in codes if not diagnoses()[code].equivalent_to)


def _columns(codes: Sequence[str]) -> list[list[int]]:
    """Return the columns of each class."""
    if len(set(codes)) < len(codes):
        raise ValueError(
            "codes has a code twice, expected each once; merge the columns or rename "
            "one"
        )
    columns: dict[str, list[int]] = {code: [] for code in _classes()}
    for column, code in enumerate(codes):
        known = diagnoses().get(code)
        if known is not None and known.scored:
            columns[known.equivalent_to or code].append(column)
    missing = [code for code, of_class in columns.items() if not of_class]
    if missing:
        raise ValueError(
            f"codes lacks {', '.join(missing)}, expected every class of the Challenge; "
            'use the class set "cinc2020", which has all of them'
        )
    return list(columns.values())


def _merged_pair(
    labels: ArrayLike, decisions: ArrayLike, codes: Sequence[str]
) -> tuple[BoolArray, BoolArray]:
    """Return labels and decisions of the 24 classes."""
    true, decided = as_labels(labels, "labels"), as_labels(decisions, "decisions")
    check_shape(decided, "decisions", true.shape)
    if len(codes) != true.shape[1]:
        raise ValueError(
            f"there are {len(codes)} codes, expected one for each of the "
            f"{true.shape[1]} columns of labels"
        )
    columns = _columns(codes)
    return (
        np.stack([true[:, of_class].any(axis=1) for of_class in columns], axis=1),
        np.stack([decided[:, of_class].any(axis=1) for of_class in columns], axis=1),
    )


def _merged_probabilities(
    probabilities: FloatArray, codes: Sequence[str]
) -> FloatArray:
    """Return the probabilities of the 24 classes, 0 where all are missing."""
    merged = np.stack(
        [macro_average(probabilities[:, of_class]) for of_class in _columns(codes)],
        axis=1,
    )
    return np.nan_to_num(merged, nan=0.0)


def _f_measure(true: BoolArray, decided: BoolArray) -> FloatArray:
    """Return F1 of each class, NaN where labels and decisions have no positive."""
    n_both = (true & decided).sum(axis=0)
    return _ratio(2.0 * n_both, true.sum(axis=0) + decided.sum(axis=0))


def _beta_measures(
    true: BoolArray, decided: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return F-beta and G-beta of each class.

    TP, FP and FN are the true positives, false positives and false negatives; a record
    counts as 1 / (number of its diagnoses)::

        F = (1 + beta^2) TP / ((1 + beta^2) TP + FP + beta^2 FN)
        G = TP / (TP + FP + beta FN)
    """
    weights = 1.0 / np.maximum(true.sum(axis=1), 1)  # (n_records,)
    right = weights @ (true & decided)
    false_alarms = weights @ (~true & decided)
    missed = weights @ (true & ~decided)
    rewarded = (1 + BETA**2) * right
    return (
        _ratio(rewarded, rewarded + false_alarms + BETA**2 * missed),
        _ratio(right, right + false_alarms + BETA * missed),
    )


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return a quotient, NaN for 0 / 0."""
    quotient: FloatArray = np.full(part.shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def _challenge_metric(true: BoolArray, decided: BoolArray) -> float:
    """Return the Challenge metric of the 24 merged classes."""
    always_normal = np.zeros_like(true)
    always_normal[:, _classes().index(NORMAL_CODE)] = True
    nothing, everything = _earned(true, always_normal), _earned(true, true)
    if everything == nothing:
        return 0.0
    return (_earned(true, decided) - nothing) / (everything - nothing)


def _earned(true: BoolArray, decided: BoolArray) -> float:
    """Return the sum of the weights that all pairs of diagnoses earn."""
    codes, weights = challenge_weights()
    kept = [codes.index(code) for code in _classes()]
    n_diagnoses = np.maximum((true | decided).sum(axis=1), 1)  # (n_records,)
    pairs = (true / n_diagnoses[:, None]).T @ decided  # (24, 24)
    return float((weights[np.ix_(kept, kept)] * pairs).sum())
