"""Scores of a trained network on folds of a store that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.config import TEST_FOLD, VALIDATION_FOLD
from ecgstore.diagnoses import class_set
from ecgstore.errors import EcgStoreError, require_type
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.inference.model import Model
from ecgstore.models.running import Outputs, require_finite_outputs, run
from ecgstore.models.seen_records import lists_seen_records, seen_records
from ecgstore.pipes.devices import available_device
from ecgstore.scores.bootstrap import BootstrapResult, as_json, paired_bootstrap
from ecgstore.scores.challenge2020 import ChallengeScores, challenge_scores
from ecgstore.scores.multilabel import Scores, score
from ecgstore.scores.regression import RegressionResult, regression_bootstrap
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Selection, Store

MODEL = "model"
"""Name of the only set of predictions in `Evaluation.intervals`."""


@dataclass(frozen=True, eq=False, slots=True)
class TargetEvaluation:
    """Predicted targets of some records, and their scores.

    Attributes
    ----------
    values : ndarray of shape (n_records, n_targets)
        True values, NaN where missing.
    predictions : ndarray of shape (n_records, n_targets)
        Predicted values.
    intervals : RegressionResult
        Names of the targets, and scores with intervals from a bootstrap over patients.
    """

    values: Float32Array
    predictions: Float32Array
    intervals: RegressionResult


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Evaluation:
    """Predictions for some records, and their scores.

    Attributes
    ----------
    label_names : tuple of str
        Names of the classes.
    record_ids : tuple of str
        Names of the records; ``source/name`` where two sources share a name.
    rows : ndarray of shape (n_records,)
        Their rows in the store, increasing.
    labels : ndarray of shape (n_records, n_classes)
        True classes.
    probabilities : ndarray of shape (n_records, n_classes)
        Predicted probabilities.
    scores : Scores
        Scores of the predictions, and the thresholds.
    intervals : BootstrapResult
        The same scores with intervals from a bootstrap over patients.
    challenge : ChallengeScores or None
        The scores of the Challenge 2020, if the classes are those of the Challenge.
    warnings : tuple of str
        Reasons to distrust the scores.
    targets : TargetEvaluation or None
        The targets that the network predicts and the store has; None if there are none.
    """

    label_names: tuple[str, ...]
    record_ids: tuple[str, ...]
    rows: IntArray
    labels: BoolArray
    probabilities: FloatArray
    scores: Scores
    intervals: BootstrapResult
    challenge: ChallengeScores | None
    warnings: tuple[str, ...]
    targets: TargetEvaluation | None = None

    def __repr__(self) -> str:
        return (
            f"<ecgstore.Evaluation of {len(self.rows)} records: macro AUROC "
            f"{self.scores.overall['macro_auroc']:.3f}>"
        )

    @property
    def decisions(self) -> BoolArray:
        """Predicted classes, of the shape of `labels`."""
        return self.probabilities >= self.scores.thresholds

    @property
    def classes_of_no_record(self) -> tuple[str, ...]:
        """Classes that no record has: of their scores, only calibration is defined."""
        return self._names_where(self.scores.n_positive == 0)

    @property
    def classes_of_every_record(self) -> tuple[str, ...]:
        """Classes that every record has: nothing can be ranked."""
        return self._names_where(self.scores.n_positive == self.scores.n_records)

    def _names_where(self, chosen: BoolArray) -> tuple[str, ...]:
        """Return the names of some classes."""
        return tuple(
            name
            for name, is_chosen in zip(self.label_names, chosen, strict=True)
            if is_chosen
        )

    def to_dict(self) -> dict[str, Any]:
        """Return scores, intervals and every prediction, for JSON."""
        predictions = {
            name: {
                "row": row,
                "labels": labels,
                "probabilities": probabilities,
            }
            for name, row, labels, probabilities in zip(
                self.record_ids,
                self.rows.tolist(),
                self.labels.astype(int).tolist(),
                self.probabilities.tolist(),
                strict=True,
            )
        }
        of_targets: dict[str, Any] = {}
        if self.targets is not None:
            of_targets["targets"] = self.targets.intervals.to_dict()
            for entry, values, predicted in zip(
                predictions.values(),
                self.targets.values.tolist(),
                self.targets.predictions.tolist(),
                strict=True,
            ):
                entry["targets"] = as_json(tuple(values))
                entry["predicted_targets"] = predicted
        return {
            "label_names": list(self.label_names),
            "scores": self.scores.to_dict(),
            "intervals": self.intervals.to_dict(),
            "challenge_metric": None
            if self.challenge is None
            else self.challenge.challenge_metric,
            "warnings": list(self.warnings),
            **of_targets,
            "predictions": predictions,
        }


def evaluate(
    model: Model,
    store: Store,
    *,
    folds: Sequence[int] = (TEST_FOLD,),
    validation_folds: Sequence[int] = (VALIDATION_FOLD,),
    device: torch.device | str = "cpu",
    n_resamples: int = 2000,
    quiet: bool = True,
) -> Evaluation:
    """Score a model on folds of a store.

    Parameters
    ----------
    model : Checkpoint or Hybrid
        The trained model.
    store : Store
        The store of its training, or another one with the same classes and
        preprocessing.
    folds : sequence of int
        Test folds.
    validation_folds : sequence of int
        Folds on which the thresholds are chosen: those with the best F1 of each class.
        Not used for a model that has thresholds, as hybrids have.
    device : torch.device or str
        Device of the network.
    n_resamples : int
        Number of resamples of the bootstrap over patients.
    quiet : bool
        Whether to hide progress.

    Raises
    ------
    TypeError
        If one of them is something else, such as a path.
    EcgStoreError
        If the store does not fit the model, a fold has no records, a fold is both
        a test and a validation fold, patients of the test folds were in the training
        or validation records of the model, or its outputs are not finite.
    """
    if not isinstance(model, Checkpoint | Hybrid):
        raise TypeError(
            f"model is {type(model).__name__}; expected a trained model: "
            "models.load(path)"
        )
    require_type("store", store, Store, "a store: ecgstore.open(path)")
    model.check(store)
    test = _select_folds(store, folds)
    if model.thresholds is not None:
        validation_folds = ()
    validation = _select_folds(store, validation_folds) if validation_folds else None
    common = sorted(set(folds) & set(validation_folds))
    if common:
        raise EcgStoreError(
            f"{store.place}: fold {_listed(common)} is both a test and a validation "
            "fold, expected thresholds from other folds; change --folds or "
            "--validation-folds"
        )
    _refuse_leak(model, test, folds, validation_folds)
    device = available_device(device)
    rows = test.rows if validation is None else np.union1d(test.rows, validation.rows)
    outputs = run(
        model.runner(store.feature_names, device),
        Selection(store, rows),
        device=device,
        quiet=quiet,
    )
    require_finite_outputs(outputs, store)
    predicted = outputs.probabilities
    labels = store.labels(rows=test.rows, dtype=np.bool_)
    probabilities = predicted[np.searchsorted(outputs.rows, test.rows)]
    if validation is None:
        assert model.thresholds is not None
        thresholds = model.thresholds
    else:
        thresholds = f1_thresholds(
            store.labels(rows=validation.rows, dtype=np.uint8),
            predicted[np.searchsorted(outputs.rows, validation.rows)],
        )
    decisions = probabilities >= thresholds
    names = [*store]
    return Evaluation(
        label_names=store.label_names,
        record_ids=tuple(names[row] for row in test.rows),
        rows=test.rows,
        labels=labels,
        probabilities=probabilities,
        scores=score(labels, probabilities, thresholds),
        intervals=paired_bootstrap(
            labels,
            {MODEL: probabilities},
            {MODEL: decisions},
            store.groups()[test.rows],
            n_resamples=n_resamples,
        ),
        challenge=_challenge(store, labels, decisions, probabilities),
        warnings=_warnings(model, store, validation),
        targets=_targets(model, test, outputs, n_resamples),
    )


def _targets(
    model: Model, test: Selection, outputs: Outputs, n_resamples: int
) -> TargetEvaluation | None:
    """Return the scores of the targets that the store has; None if there are none."""
    store, names = test.store, model.target_names
    common = [name for name in names if name in store.target_names]
    if outputs.targets is None or not common:
        return None
    values = test.targets()[:, [store.target_names.index(name) for name in common]]
    predicted = outputs.targets[np.searchsorted(outputs.rows, test.rows)]
    predictions = predicted[:, [names.index(name) for name in common]]
    intervals = regression_bootstrap(
        common,
        values,
        predictions,
        store.groups()[test.rows],
        n_resamples=n_resamples,
    )
    return TargetEvaluation(values, predictions, intervals)


def _select_folds(store: Store, folds: Sequence[int]) -> Selection:
    """Return the records of some folds, at least one."""
    selection = store.select(folds=folds)
    if not len(selection):
        raise EcgStoreError(
            f"{store.place}: no records in fold {_listed(folds)}, expected some; "
            f"`ecgstore info {store.place}` lists the folds"
        )
    return selection


def _refuse_leak(
    model: Model,
    test: Selection,
    folds: Sequence[int],
    validation_folds: Sequence[int],
) -> None:
    """Raise an error if the model has seen patients of the test records."""
    store = test.store
    is_seen = seen_records(model, store)
    n_leaks = int(is_seen[test.rows].sum())
    if not n_leaks:
        return
    fold = store.column("fold")
    unseen = sorted(
        set(fold.tolist()) - set(fold[is_seen].tolist()) - set(validation_folds)
    )
    advice = (
        f"the model has seen no patients of fold {_listed(unseen)}: use --folds "
        f"{','.join(map(str, unseen))}"
        if unseen
        else "the model has seen patients of every fold other than the validation "
        "folds: use a store of other patients"
    )
    raise EcgStoreError(
        f"{store.place}: {n_leaks} of {len(test)} records in fold {_listed(folds)} are "
        "of patients that the model was trained or validated on, expected none; "
        f"{advice}"
    )


def _warnings(
    model: Model, store: Store, validation: Selection | None
) -> tuple[str, ...]:
    """Return reasons to distrust the scores."""
    if not lists_seen_records(model, store):
        if model.config.leads != store.leads:
            return (
                "the model was trained on a store of other leads "
                f"({', '.join(model.config.leads)}), whose records cannot be "
                "recognised: records of this store may have been among them",
            )
        return (
            "the model does not contain the signals it was trained on, so records "
            "of this store may have been among them",
        )
    if validation is None:
        return ()
    trained_on = seen_records(model, store, part="training")[validation.rows]
    if trained_on.any():
        return (
            f"{trained_on.sum()} of {len(validation)} records of the validation folds "
            "are of patients that the model was trained on: thresholds chosen on them "
            "make F1 and subset accuracy too low",
        )
    return ()


def _challenge(
    store: Store, labels: BoolArray, decisions: BoolArray, probabilities: FloatArray
) -> ChallengeScores | None:
    """Return the scores of the Challenge 2020, if the store has its classes."""
    classes = class_set("cinc2020")
    if store.config.classes != classes:
        return None
    codes = [label_class.codes[0] for label_class in classes.classes]
    return challenge_scores(labels, decisions, probabilities, codes)


def _listed(folds: Sequence[int]) -> str:
    """Return folds as a text."""
    return ", ".join(map(str, folds))
