"""Train a hybrid: cross-fit its parts, fit their sum, and train the parts on all."""

import pickle
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ecgstore import __version__
from ecgstore.arrays import FloatArray, IntArray
from ecgstore.models.hybrid.fused import FittedSum, fit_sum
from ecgstore.models.hybrid.inner_folds import InnerFold, fold_of_rows, inner_folds
from ecgstore.models.hybrid.model import VERSIONS, Hybrid, versions_of
from ecgstore.models.hybrid.parts import (
    extractor_outputs,
    feature_sets,
    fit_extractor,
    fit_on_table,
)
from ecgstore.models.hybrid.settings import PARTS, HybridSettings, Inputs, Part
from ecgstore.models.one_thread import OneThread
from ecgstore.models.running import probabilities_of
from ecgstore.models.seen_records import short_hashes
from ecgstore.models.store_check import check_has_features
from ecgstore.models.tabular.table import read_table
from ecgstore.scores.bootstrap import paired_bootstrap
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Selection, Store
from ecgstore.system.progress import with_progress
from ecgstore.system.workers import run_tasks

_PRELOAD: Final = ("ecgstore.models.hybrid.training",)
"""Modules of the worker processes."""


@dataclass(frozen=True, slots=True)
class Task:
    """One training of one part, for any process that can read the store."""

    store: Path | str
    part: Part
    fold: InnerFold
    settings: HybridSettings
    device: str


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a task.

    Attributes
    ----------
    logits : ndarray of shape (n_held_out, n_classes)
        For the held-out records of the fold.
    part : bytes
        The pickled classifier, from a training on all records; else empty.
    """

    logits: FloatArray
    part: bytes


def train_hybrid(
    store: Store,
    rows: IntArray,
    settings: HybridSettings,
    *,
    inputs: Inputs = "both",
    device: torch.device | str = "cpu",
    n_processes: int = 1,
    n_resamples: int = 2000,
    quiet: bool = True,
) -> Hybrid:
    """Train a hybrid on some records of a store; nothing of the others is used.

    Every part is trained once for each inner fold, on the other inner folds, and once
    on all records. Weights, calibration and thresholds are fitted to the logits of
    held-out records; the trainings on all records are the parts of the result.

    Parameters
    ----------
    store : Store
        The store.
    rows : ndarray of int64
        The training records, increasing.
    settings : HybridSettings
        The settings.
    inputs : {"both", "handcrafted"}
        With an extractor on the signals, or handcrafted features alone.
    device : torch.device or str
        Device of the extractor.
    n_processes : int
        Number of parts that are trained at a time, each with one thread. The result
        does not depend on it.
    n_resamples : int
        Number of bootstrap resamples of the intervals of its scores.
    quiet : bool
        Show no progress.

    Returns
    -------
    Hybrid

    Raises
    ------
    EcgStoreError
        If the store has no features.
    ConfigError
        If the store lacks a lead of the settings, its sampling rate is not a multiple
        of theirs, or the records are of fewer patients than there are inner folds.
    ValueError
        If the rows are not strictly increasing.
    """
    check_has_features(store)
    selection = Selection(store, rows)  # refuses them before anything is trained
    rows = selection.rows
    settings = replace(settings, model=settings.model.for_store(store))
    folds = inner_folds(store, rows, settings.n_inner_folds)
    tasks = [
        Task(store.address, part, fold, settings, str(device))
        # The longest ones first.
        for part in reversed(PARTS[inputs])
        for fold in reversed(folds)
    ]
    done = run_tasks(partial(OneThread, train_part), tasks, n_processes, _PRELOAD)
    held_out = {
        part: np.empty((len(rows), len(store.label_names))) for part in PARTS[inputs]
    }
    parts: dict[Part, Any] = {}
    shown = with_progress(done, "train the hybrid", len(tasks), quiet, "trainings")
    for task, trained in zip(tasks, shown, strict=True):
        places = np.searchsorted(rows, task.fold.held_out)
        held_out[task.part][places] = trained.logits
        if trained.part:
            parts[task.part] = pickle.loads(trained.part)  # from our own process
    labels = store.labels(rows=rows, dtype=np.uint8)
    fitted = fit_sum([*held_out.values()], labels, fold_of_rows(rows, folds))
    return Hybrid(
        trees=parts["trees"],
        network=parts["network"],
        extractor=parts.get("extractor"),
        fusion=fitted.fusion,
        thresholds=fitted.thresholds,
        label_names=store.label_names,
        config=store.config,
        columns=parts["trees"].columns,
        versions={**VERSIONS, **versions_of(store.software)},
        fingerprint=store.fingerprint,
        origin={
            "settings": settings.to_dict(),
            "inputs": inputs,
            "scores": _scores(store, rows, held_out, fitted, n_resamples),
            "training_rows": torch.from_numpy(rows),
            "training_signals": torch.from_numpy(short_hashes(selection)),
            "software": f"ecgstore {__version__}, torch {torch.__version__}, "
            f"Python {platform.python_version()}",
        },
    )


def train_part(task: Task) -> Trained:
    """Train one part on the records of a fold; predict the held-out ones."""
    with Store(task.store) as store:
        held_out = task.fold.held_out
        logits = np.empty((0, len(store.label_names)))
        if task.part == "extractor":
            settings = task.settings
            extractor = fit_extractor(
                store, task.fold, settings.model, settings.training, task.device
            )
            if len(held_out):
                outputs = extractor_outputs(extractor, store, held_out, task.device)
                logits = outputs.logits.astype(np.float64)
            part: object = extractor
        else:
            classifier = fit_on_table(task.part, store, task.fold, task.settings)
            if len(held_out):
                sets = feature_sets(task.settings.age_sex)
                records = Selection(store, held_out)
                logits = classifier.logits(read_table(records, sets, None))
            part = classifier
        return Trained(logits, b"" if len(held_out) else pickle.dumps(part))


def _scores(
    store: Store,
    rows: IntArray,
    logits: Mapping[Part, FloatArray],
    fitted: FittedSum,
    n_resamples: int,
) -> dict[str, Any]:
    """Return scores of the held-out predictions of all parts and of their sum."""
    labels = store.labels(rows=rows, dtype=np.uint8)
    predicted: dict[str, FloatArray] = {
        name: probabilities_of(values) for name, values in logits.items()
    }
    predicted["sum"] = fitted.held_out
    decided = {
        name: values >= f1_thresholds(labels, values)
        for name, values in predicted.items()
    }
    return paired_bootstrap(
        labels, predicted, decided, store.groups(rows), n_resamples=n_resamples
    ).to_dict()
