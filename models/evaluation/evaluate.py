"""How good a trained extractor is on folds of a store that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.diagnoses import class_set
from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.inference.run import run_network
from ecgstore.models.patients import patients
from ecgstore.models.seen_records import seen, tells_what_it_saw
from ecgstore.scores.bootstrap import BootstrapResult, paired_bootstrap
from ecgstore.scores.challenge2020 import ChallengeScores, challenge_scores
from ecgstore.scores.multilabel import Scores, f1_thresholds, score
from ecgstore.storage import Selection, Store

MODEL = "model"
"""What the only set of predictions is called in `Evaluation.intervals`."""


@dataclass(frozen=True, eq=False, slots=True)
class Evaluation:
    """Predictions for some records, and how good they are.

    Attributes
    ----------
    label_names : tuple of str
        Names of the classes.
    record_ids : tuple of str
        Names of the records; ``source/name`` where two sources share one.
    rows : ndarray of shape (n_records,)
        Their rows in the store, increasing.
    labels : ndarray of shape (n_records, n_classes)
        Which classes they have.
    probabilities : ndarray of shape (n_records, n_classes)
        How likely the network says they have them.
    scores : Scores
        How good that is, and the thresholds.
    intervals : BootstrapResult
        The same scores with intervals from a bootstrap over patients.
    challenge : ChallengeScores or None
        The scores of the Challenge 2020, if the classes are its.
    warnings : tuple of str
        What to know before believing the numbers.
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

    @property
    def decisions(self) -> BoolArray:
        """Which classes were decided for, of the shape of `labels`."""
        return self.probabilities >= self.scores.thresholds

    def to_dict(self) -> dict[str, Any]:
        """Return scores, intervals and every prediction, as JSON knows them."""
        return {
            "label_names": list(self.label_names),
            "scores": self.scores.to_dict(),
            "intervals": self.intervals.to_dict(),
            "challenge_metric": None
            if self.challenge is None
            else self.challenge.challenge_metric,
            "warnings": list(self.warnings),
            "predictions": {
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
            },
        }


def evaluate(
    checkpoint: Checkpoint,
    store: Store,
    *,
    folds: Sequence[int] = (9,),
    validation_folds: Sequence[int] = (8,),
    batch_size: int = 64,
    device: torch.device | str = "cpu",
    n_resamples: int = 2000,
    quiet: bool = True,
) -> Evaluation:
    """Score a checkpoint on folds of a store.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to score.
    store : Store
        That of its training, or another one of the same classes and preprocessing.
    folds : sequence of int
        Folds whose records are judged.
    validation_folds : sequence of int
        Folds whose records choose the thresholds: those of the best F1 of each class.
    batch_size : int
        Records at a time, which does not change the predictions but for rounding.
    device : torch.device or str
        Where the network computes.
    n_resamples : int
        Resamples of the bootstrap over patients.
    quiet : bool
        Show no progress.

    Raises
    ------
    EcgStoreError
        If the store does not fit the checkpoint, a fold has no record, or the folds to
        judge share a patient with what was learnt from, epoch and thresholds included.
    """
    checkpoint.check(store)
    judged = _of_folds(store, folds, "judge")
    choosing = _of_folds(store, validation_folds, "choose thresholds from")
    common = sorted(set(folds) & set(validation_folds))
    if common:
        raise EcgStoreError(
            f"{store.path}: fold {_listed(common)} is to be judged, and to choose the "
            "thresholds it is judged by; give other --folds or --validation-folds"
        )
    _refuse_leak(checkpoint, judged, folds, validation_folds)
    found = run_network(
        checkpoint.network().to(device),
        Selection(store, np.union1d(judged.rows, choosing.rows)),
        batch_size=batch_size,
        transform=[checkpoint.decimate()],
        leads=checkpoint.model.leads,
        device=device,
        quiet=quiet,
    )
    said = found.probabilities
    labels = store.labels(rows=judged.rows) > 0
    probabilities = said[np.searchsorted(found.rows, judged.rows)]
    thresholds = f1_thresholds(
        store.labels(rows=choosing.rows),
        said[np.searchsorted(found.rows, choosing.rows)],
    )
    decisions = probabilities >= thresholds
    names = [*store]
    return Evaluation(
        label_names=store.label_names,
        record_ids=tuple(names[row] for row in judged.rows),
        rows=judged.rows,
        labels=labels,
        probabilities=probabilities,
        scores=score(labels, probabilities, thresholds),
        intervals=paired_bootstrap(
            labels,
            {MODEL: probabilities},
            {MODEL: decisions},
            patients(store)[judged.rows],
            n_resamples=n_resamples,
        ),
        challenge=_challenge(store, labels, decisions, probabilities),
        warnings=_warnings(checkpoint, choosing),
    )


def _of_folds(store: Store, folds: Sequence[int], purpose: str) -> Selection:
    """Return the records of some folds, at least one."""
    selection = store.select(folds=folds)
    if not len(selection):
        raise EcgStoreError(
            f"{store.path}: no records in fold {_listed(folds)} to {purpose}; "
            f"`ecgstore info {store.path}` lists the folds"
        )
    return selection


def _refuse_leak(
    checkpoint: Checkpoint,
    judged: Selection,
    folds: Sequence[int],
    validation_folds: Sequence[int],
) -> None:
    """Refuse to judge records of patients that the checkpoint has seen."""
    store = judged.store
    met = seen(checkpoint, store)
    n_leaks = int(met[judged.rows].sum())
    if not n_leaks:
        return
    fold = store.records["fold"].to_numpy()
    free = sorted(set(fold.tolist()) - set(fold[met].tolist()) - set(validation_folds))
    advice = (
        f"the model has seen nothing of fold {_listed(free)}: give --folds "
        f"{','.join(map(str, free))}"
        if free
        else "the model has seen something of every fold that thresholds are not "
        "chosen from: give a store of other patients"
    )
    raise EcgStoreError(
        f"{store.path}: {n_leaks} of {len(judged)} records in fold {_listed(folds)} "
        f"are of patients that the model was trained or validated on; {advice}"
    )


def _warnings(checkpoint: Checkpoint, choosing: Selection) -> tuple[str, ...]:
    """Return what makes the numbers worth less."""
    store = choosing.store
    if not tells_what_it_saw(checkpoint, store):
        return (
            "the checkpoint does not say which signals it has seen, so nobody knows "
            "whether this store shares some with its training",
        )
    trained_on = seen(checkpoint, store, part="training")[choosing.rows]
    if trained_on.any():
        return (
            f"{trained_on.sum()} of {len(choosing)} records that the thresholds are "
            "chosen from are of patients that the model learnt from: F1 and subset "
            "accuracy come out too low",
        )
    return ()


def _challenge(
    store: Store, labels: BoolArray, decisions: BoolArray, probabilities: FloatArray
) -> ChallengeScores | None:
    """Return the scores of the Challenge, if the classes are its."""
    classes = class_set("cinc2020")
    if store.config.classes != classes:
        return None
    codes = [each.codes[0] for each in classes.classes]
    return challenge_scores(labels, decisions, probabilities, codes)


def _listed(folds: Sequence[int]) -> str:
    """Return folds as a text."""
    return ", ".join(map(str, folds))
