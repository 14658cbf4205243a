"""Predictions of a model for records it has not seen, with their scores.

Of an evaluation that was computed now, or of a JSON file of `ecgstore evaluate`, which
may come from anyone.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.errors import EcgStoreError
from ecgstore.scores.bootstrap import BootstrapResult, Estimate, paired_bootstrap
from ecgstore.scores.regression import (
    REGRESSION_HEADINGS,
    RegressionResult,
    regression_bootstrap,
)
from ecgstore.scores.stored import TOLERANCE, require_same_scores, stored_result
from ecgstore.system.json_files import JsonFiles, JsonValue, stacked

if TYPE_CHECKING:
    from ecgstore.models.evaluation.evaluate import Evaluation

MODEL: Final = "model"
"""Name of the predictions in the scores of an evaluation."""

_REMEDY: Final = (
    "restore the file from a copy, or make it again with `ecgstore evaluate --json`"
)
_BEGIN: Final = re.compile(rb'\s*\{\s*"label_names"\s*:')
"""How the file of an evaluation begins, also one that is damaged further on."""

_N_BYTES_OF_BEGIN: Final = 1000
_KEYS: Final = {"label_names", "scores", "intervals", "predictions"}
_MOST_FILES: Final = 100
_MOST_CLASSES: Final = 1000
_MOST_WARNINGS: Final = 100
_LARGEST: Final = 1e30
"""Absolute value of numbers of targets, whose squares are finite."""


@dataclass(frozen=True, slots=True)
class JudgedTarget:
    """The scores of a predicted target, such as age.

    Attributes
    ----------
    name : str
        Its name.
    n_known : int
        Number of records with a value.
    scores : Mapping
        By name (`ecgstore.scores.regression.REGRESSION_HEADINGS`), an Estimate.
    """

    name: str
    n_known: int
    scores: Mapping[str, Estimate]

    @classmethod
    def all_of(cls, result: RegressionResult) -> "tuple[JudgedTarget, ...]":
        """Return the targets of a result."""
        return tuple(map(cls, result.names, result.n_known, result.scores))


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """Predictions and their scores.

    Attributes
    ----------
    where : str
        On which records.
    label_names : tuple of str
        Names of the classes.
    names : tuple of str
        Names of the records.
    labels : ndarray of shape (n_records, n_classes)
        True classes.
    probabilities : ndarray of shape (n_records, n_classes)
        Predicted probabilities.
    thresholds : ndarray of shape (n_classes,)
        A class is predicted at this probability or above.
    intervals : BootstrapResult
        The scores of `MODEL`, with intervals.
    warnings : tuple of str
        Reasons to distrust the scores.
    challenge_metric : float or None
        The metric of the Challenge 2020, if the classes are those of the Challenge.
    targets : tuple of JudgedTarget
        Scores of the targets that the model predicts beside the classes.
    """

    where: str
    label_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: BoolArray
    probabilities: FloatArray
    thresholds: FloatArray
    intervals: BootstrapResult
    warnings: tuple[str, ...]
    challenge_metric: float | None
    targets: tuple[JudgedTarget, ...] = ()

    @property
    def decisions(self) -> BoolArray:
        """Predicted classes, of the shape of `labels`."""
        return self.probabilities >= self.thresholds

    @classmethod
    def of(cls, evaluation: "Evaluation", where: str) -> Self:
        """Return the predictions of an evaluation."""
        challenge = evaluation.challenge
        return cls(
            where=where,
            label_names=evaluation.label_names,
            names=evaluation.record_ids,
            labels=evaluation.labels,
            probabilities=evaluation.probabilities,
            thresholds=evaluation.scores.thresholds,
            intervals=evaluation.intervals,
            warnings=evaluation.warnings,
            challenge_metric=None if challenge is None else challenge.challenge_metric,
            targets=()
            if evaluation.targets is None
            else JudgedTarget.all_of(evaluation.targets.intervals),
        )


def evaluations_in(
    folder: Path, label_names: tuple[str, ...]
) -> tuple[list[Judged], list[str]]:
    """Read the evaluations in a folder: its JSON files of `ecgstore evaluate`.

    Other JSON files, and what is no file, are left alone.

    Parameters
    ----------
    folder : Path
        The folder of a training.
    label_names : tuple of str
        The classes of its model.

    Returns
    -------
    judged : list of Judged
        The evaluations.
    unread : list of str
        Names of files that could not be read, and do not begin as an evaluation; also
        of those that are too many.

    Raises
    ------
    SchemaError
        If an evaluation is damaged, or of a model of other classes.
    """
    try:
        paths = sorted(path for path in folder.glob("*.json") if path.is_file())
    except OSError as error:
        raise EcgStoreError(
            f"{folder}: cannot be read ({error.strerror}); expected the folder of a "
            "training"
        ) from error
    first = [path for path in paths if _begins_as_evaluation(path)]
    others = sorted({*paths} - {*first})
    in_order = [*first, *others]  # so that others do not use up what is read
    judged = []
    unread = [path.name for path in in_order[_MOST_FILES:]]
    files = JsonFiles(_REMEDY)
    for number, path in enumerate(in_order[:_MOST_FILES]):
        try:
            content = files.read(path)
        except EcgStoreError:
            if number < len(first):
                raise
            unread.append(path.name)
            continue
        if isinstance(content.value, dict) and content.value.keys() >= _KEYS:
            judged.append(_stored(content, label_names))
        del content  # before the next one is read
    return judged, sorted(unread)


def _begins_as_evaluation(path: Path) -> bool:
    """Return whether a file begins as `ecgstore evaluate` writes one."""
    try:
        with path.open("rb") as file:
            return _BEGIN.match(file.read(_N_BYTES_OF_BEGIN)) is not None
    except OSError:
        return False


def _stored(content: JsonValue, label_names: tuple[str, ...]) -> Judged:
    """Return the evaluation in a file."""
    if content["label_names"].texts(_MOST_CLASSES) != label_names:
        content["label_names"].refuse(
            f"{', '.join(label_names)}, the classes of the model beside the file"
        )
    n_classes, entries = len(label_names), dict(content["predictions"].items())
    if not entries:
        content["predictions"].refuse("those of at least one record")
    labels = stacked([one["labels"] for one in entries.values()], (n_classes,), 0, 1)
    if not np.isin(labels, (0, 1)).all():
        content["predictions"].refuse("labels that are 0 or 1")
    probabilities = stacked(
        [one["probabilities"] for one in entries.values()], (n_classes,), 0, 1
    )
    thresholds = content["scores"]["thresholds"].numbers((n_classes,), 0, 1)
    intervals = stored_result(content["intervals"], (MODEL,), n_classes)
    again = paired_bootstrap(
        labels,
        {MODEL: probabilities},
        {MODEL: probabilities >= thresholds},
        np.arange(len(labels)),
        n_resamples=1,
    )
    require_same_scores(content["intervals"], intervals, again)
    metric = content["challenge_metric"]
    return Judged(
        where=content.file.name,
        label_names=label_names,
        names=tuple(entries),
        labels=labels > 0,
        probabilities=probabilities,
        thresholds=thresholds,
        intervals=intervals,
        warnings=tuple(
            one.text() for one in content["warnings"].elements(_MOST_WARNINGS)
        ),
        challenge_metric=None if metric.value is None else metric.number(-math.inf, 1),
        targets=_targets(content, list(entries.values())),
    )


def _targets(
    content: JsonValue, entries: Sequence[JsonValue]
) -> tuple[JudgedTarget, ...]:
    """Return the stored scores of targets, if they are those of the predictions."""
    if "targets" not in content.names():
        return ()
    stored = dict(content["targets"]["targets"].items())
    found = tuple(
        JudgedTarget(
            name,
            one["n_known"].whole(0, len(entries)),
            {score: _estimate(one["scores"][score]) for score in REGRESSION_HEADINGS},
        )
        for name, one in stored.items()
    )
    shape = (len(entries), len(found))
    values, predicted = np.empty(shape), np.empty(shape)
    for row, entry in enumerate(entries):
        known = entry["targets"].elements(len(found))
        if len(known) < len(found):
            entry["targets"].refuse(f"a list of {len(found)}, one for each target")
        values[row] = [_number(one) for one in known]
        predicted[row] = entry["predicted_targets"].numbers(
            (len(found),), -_LARGEST, _LARGEST
        )
    again = regression_bootstrap(
        list(stored), values, predicted, np.arange(len(entries)), n_resamples=1
    )
    for one, other in zip(found, JudgedTarget.all_of(again), strict=True):
        of_target = content["targets"]["targets"][one.name]
        if one.n_known != other.n_known:
            of_target["n_known"].refuse(f"{other.n_known}, as of the predictions")
        for score, estimate in one.scores.items():
            expected = other.scores[score].value
            if not np.isclose(
                estimate.value, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
            ):
                of_target["scores"][score].refuse(
                    f"{expected:.6f}, computed again from the predictions"
                )
    return found


def _estimate(stored: JsonValue) -> Estimate:
    """Return the estimate of a score of a target."""
    numbers = [_number(end) for end in stored.elements(3)]
    if len(numbers) != 3:
        stored.refuse("value, low and high")
    return Estimate(*numbers)


def _number(stored: JsonValue) -> float:
    """Return a number; None stands for NaN."""
    if stored.value is None:
        return math.nan
    return stored.number(-_LARGEST, _LARGEST)
