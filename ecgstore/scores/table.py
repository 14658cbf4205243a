"""The scores of multi-label predictions, in one table.

To add a score, write its function here and add a row to `SCORE_TABLE`. The results of
`score` and of the bootstrap, CSV and JSON files, plots, and the tables of the command
line follow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.scores.calibration import (
    bin_excess,
    calibration_deviation,
    calibration_error,
)
from ecgstore.scores.ranking import ranking_scores


@dataclass(frozen=True, eq=False)
class WeightedPredictions:
    """Predictions under one or more weightings of the same records.

    A weighting is how often each record counts. The bootstrap has one weighting per
    resample; plain scores have a single one, in which every record counts once. A
    record that counts twice has the effect of the same record given twice.

    The arrays are not checked: probabilities are finite and from 0 to 1.

    Attributes
    ----------
    labels, decisions : ndarray of shape (n_records, n_classes)
        True and predicted classes of each record.
    probabilities : ndarray of shape (n_records, n_classes)
        Predicted probabilities of the classes.
    weights : ndarray of shape (n_records, n_weightings)
        How often each record counts; 0 or more, and not 0 for all records.
    """

    labels: BoolArray
    probabilities: FloatArray
    decisions: BoolArray
    weights: FloatArray

    @cached_property
    def ranking_scores(self) -> tuple[FloatArray, FloatArray]:
        """AUROC and average precision, each of shape (n_weightings, n_classes)."""
        return ranking_scores(self.labels, self.probabilities, self.weights)

    @cached_property
    def bin_excess(self) -> FloatArray:
        """Excess of the probabilities, of shape (n_weightings, n_classes, n_bins)."""
        return bin_excess(self.labels, self.probabilities, self.weights)


@dataclass(frozen=True, slots=True)
class Score:
    """One score.

    Attributes
    ----------
    name : str
        Name in results, files and code.
    title : str
        Name in tables and plots.
    function : callable
        From WeightedPredictions to an ndarray of shape (n_weightings, n_classes), NaN
        where undefined; of shape (n_weightings,) if it is not per class.
    per_class : bool
        Whether each class has its own value. The value of all records is then the macro
        average, the mean over the classes for which the score is defined.
    higher_is_better : bool
        Whether higher values are better.
    deviation : callable, optional
        For a score that is a distance, and so is larger in few records than in many:
        from WeightedPredictions to an ndarray of shape (n_weightings, n_classes), an
        upper bound of the difference between the score under each weighting and that
        of the records themselves. Only for scores with a value for each class.
    """

    name: str
    title: str
    function: Callable[[WeightedPredictions], FloatArray]
    per_class: bool = True
    higher_is_better: bool = True
    deviation: Callable[[WeightedPredictions], FloatArray] | None = None

    @property
    def overall_name(self) -> str:
        """Name of the value of all records: ``macro_auroc`` for ``auroc``."""
        return f"macro_{self.name}" if self.per_class else self.name

    @property
    def heading(self) -> str:
        """Title, with a note if lower values are better."""
        return (
            self.title if self.higher_is_better else f"{self.title} (lower is better)"
        )

    @property
    def overall_heading(self) -> str:
        """Heading of the value of all records."""
        return f"macro {self.heading}" if self.per_class else self.heading


def _auroc(predictions: WeightedPredictions) -> FloatArray:
    """Return the area under the ROC curve of each class: see `ranking_scores`."""
    return predictions.ranking_scores[0]


def _average_precision(predictions: WeightedPredictions) -> FloatArray:
    """Return the average precision of each class: see `ranking_scores`."""
    return predictions.ranking_scores[1]


def _f1(predictions: WeightedPredictions) -> FloatArray:
    """Return F1 of each class, 2 TP / (2 TP + FP + FN).

    It is NaN where no record with the class counts: it would be 0 there, however few
    the false positives, and say nothing about the decisions.
    """
    labels, decisions = predictions.labels, predictions.decisions
    transposed = predictions.weights.T
    n_both = transposed @ (labels & decisions)
    n_true = transposed @ labels
    n_decided = transposed @ decisions
    score: FloatArray = np.full(n_both.shape, np.nan)
    np.divide(2 * n_both, n_true + n_decided, out=score, where=n_true > 0)
    return score


def _subset_accuracy(predictions: WeightedPredictions) -> FloatArray:
    """Return the share of records with all classes right, of shape (n_weightings,)."""
    right = (predictions.labels == predictions.decisions).all(axis=1)
    weights = predictions.weights
    share: FloatArray = weights.T @ right / weights.sum(axis=0)
    return share


def _calibration_error(predictions: WeightedPredictions) -> FloatArray:
    """Return the expected calibration error of each class."""
    return calibration_error(predictions.bin_excess)


def _calibration_deviation(predictions: WeightedPredictions) -> FloatArray:
    """Return the deviation of the calibration error of each class."""
    return calibration_deviation(
        predictions.labels, predictions.probabilities, predictions.bin_excess
    )


SCORE_TABLE: Final = (
    Score("auroc", "AUROC", _auroc),
    Score("average_precision", "average precision", _average_precision),
    Score("f1", "F1", _f1),
    Score("subset_accuracy", "subset accuracy", _subset_accuracy, per_class=False),
    Score(
        "calibration_error",
        "calibration error",
        _calibration_error,
        higher_is_better=False,
        deviation=_calibration_deviation,
    ),
)
"""Every score, in the order of tables and plots."""

SCORES_EXPLAINED: Final = (
    "intervals are corrected for bias, those of calibration errors also for their "
    "excess in few records: if one begins at 0.000, the probabilities may be perfect",
    "subset accuracy is the share of records with every class decided rightly; AUROC "
    "needs no decisions, so it may be high although a single threshold, such as that "
    "of a rare class, chosen on few records, makes the subset accuracy near 0",
)
"""How to read a table of scores, a sentence each."""

SCORES: Final = tuple(row.overall_name for row in SCORE_TABLE)
"""Names of the scores of all records."""

CLASS_SCORES: Final = tuple(row.name for row in SCORE_TABLE if row.per_class)
"""Names of the scores of one class."""

SCORE_HEADINGS: Final[Mapping[str, str]] = {
    row.overall_name: row.overall_heading for row in SCORE_TABLE
}
"""Headings of `SCORES` in tables and plots."""

CLASS_SCORE_HEADINGS: Final[Mapping[str, str]] = {
    row.name: row.heading for row in SCORE_TABLE if row.per_class
}
"""Headings of `CLASS_SCORES` in tables and plots."""


def averaged_text(n_defined: Mapping[str, int], n_classes: int) -> str:
    """Return over how many classes macro averages are taken.

    Parameters
    ----------
    n_defined : mapping of str to int
        By score (`CLASS_SCORES`), the number of classes for
        which it is defined.
    n_classes : int
        Number of classes.

    Examples
    --------
    >>> averaged_text({"auroc": 12, "f1": 12, "calibration_error": 24}, 24)
    '12 of 24 classes; calibration error: 24'
    >>> averaged_text({"auroc": 24, "f1": 24}, 24)
    '24 of 24 classes'
    """
    numbers = {
        row.title: n_defined[row.name] for row in SCORE_TABLE if row.name in n_defined
    }
    usual = next(iter(numbers.values()))
    others = [f"; {title}: {n}" for title, n in numbers.items() if n != usual]
    return "".join([f"{usual} of {n_classes} classes", *others])
