"""Handcrafted, deep and fused classifiers, compared without a leak."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.errors import SchemaError
from ecgstore.models.comparison.cross_fitting import (
    InnerFold,
    extract_unseen,
    inner_folds,
)
from ecgstore.models.comparison.fold_predictions import (
    FoldPredictions,
    predict_outer_fold,
)
from ecgstore.models.comparison.protocols import PROTOCOLS, OuterFold
from ecgstore.models.inference.run import Outputs
from ecgstore.models.settings import ComparisonSettings
from ecgstore.storage import Store
from ecgstore.storage.format import schema
from ecgstore.system.atomic_files import make_folder, replace_file
from ecgstore.system.progress import with_progress
from ecgstore.system.workers import run_tasks

EXTRACTION_VERSION: Final = 1
"""Raise it when extractors of the same settings come to find something else: what was
found before is then not used again."""


@dataclass(frozen=True, eq=False, slots=True)
class Predictions:
    """What a classifier said about every record, with every seed.

    Attributes
    ----------
    probabilities : ndarray of shape (n_seeds, n_records, n_classes)
        By row of the store, each from what was learnt without the record's outer fold.
    thresholds : ndarray of the same shape
        Probability from which a class counts as said: that of the record's outer fold.
    """

    probabilities: FloatArray
    thresholds: FloatArray

    @property
    def decisions(self) -> BoolArray:
        """Which classes were said: of the shape of `probabilities`."""
        return self.probabilities >= self.thresholds


@dataclass(frozen=True, eq=False, slots=True)
class ProtocolResult:
    """What one protocol came to.

    Attributes
    ----------
    outer : list of OuterFold
        Its folds.
    predictions : Mapping
        By name of the mode.
    """

    outer: list[OuterFold]
    predictions: Mapping[str, Predictions]


@dataclass(frozen=True, slots=True)
class Task:
    """One fold's work with one seed, for any process that sees the store."""

    store: Path
    protocol: str
    fold: int
    seed: int
    inner: int
    settings: ComparisonSettings
    folder: Path
    device: str


def compare(
    store: Store,
    settings: ComparisonSettings,
    folder: Path,
    *,
    device: str = "cpu",
    n_processes: int = 1,
    quiet: bool = True,
) -> dict[str, ProtocolResult]:
    """Judge every record by classifiers that have not seen it.

    For each outer fold and seed, an extractor is trained for each inner fold of its
    training records (`cross_fitting`), and every mode on what these found
    (`judging`). What the extractors found is kept in ``folder / "extracted"``, by a
    name that depends on all that it depends on: stopped at any time, the same
    comparison goes on, and another one uses again what is the same.

    Parameters
    ----------
    store : Store
        The records.
    settings : ComparisonSettings
        What to do.
    folder : Path
        Where to keep what is done; made if it is not there.
    device : str
        Where to train.
    n_processes : int
        Extractors trained at a time, each with one thread. The results do not depend
        on it.
    quiet : bool
        Show no progress.

    Returns
    -------
    dict
        By protocol.
    """
    kept = folder / "extracted"
    make_folder(kept)
    folds = {
        name: PROTOCOLS[name](store, settings.n_folds) for name in settings.protocols
    }
    tasks = [
        Task(store.path, protocol, fold, seed, inner, settings, kept, device)
        for protocol, outer in folds.items()
        for seed in range(settings.n_seeds)
        for fold in range(len(outer))
        for inner in range(settings.n_inner_folds)
    ]
    done = run_tasks(partial(_OneThread, extract), tasks, n_processes)
    for _ in with_progress(done, "train extractors", len(tasks), quiet, "extractors"):
        pass
    judging = [task for task in tasks if task.inner == 0]
    found = run_tasks(partial(_OneThread, predict_fold), judging, n_processes)
    judged = {
        (task.protocol, task.fold, task.seed): each
        for task, each in zip(
            judging,
            with_progress(found, "predict folds", len(judging), quiet, "folds"),
            strict=True,
        )
    }
    return {
        protocol: ProtocolResult(
            outer, _collected(store, protocol, outer, settings.n_seeds, judged)
        )
        for protocol, outer in folds.items()
    }


def extract(task: Task) -> None:
    """Do the work of one inner fold, unless it is done."""
    with Store(task.store) as store:
        outer, inner = _folds(store, task)
        path = _kept(store, task, outer, inner[task.inner])
        if path.exists():
            return
        found = extract_unseen(
            store,
            outer,
            inner[task.inner],
            task.settings.model,
            replace(task.settings.training, seed=task.seed),
            task.device,
        )
        with replace_file(path, "wb") as file:
            np.savez(
                file, rows=found.rows, logits=found.logits, features=found.features
            )


def predict_fold(task: Task) -> dict[str, FoldPredictions]:
    """Do the work of one outer fold, for which that of its inner folds is done."""
    with Store(task.store) as store:
        outer, inner = _folds(store, task)
        found = [_read_found(_kept(store, task, outer, fold)) for fold in inner]
        return predict_outer_fold(
            store,
            outer,
            inner,
            found,
            replace(task.settings.fusion, seed=task.seed),
            deep_inputs=task.settings.deep_inputs,
            age_sex=task.settings.age_sex,
        )


def _folds(store: Store, task: Task) -> tuple[OuterFold, list[InnerFold]]:
    """Return the folds of a task."""
    outer = PROTOCOLS[task.protocol](store, task.settings.n_folds)[task.fold]
    return outer, inner_folds(store, outer, task.settings.n_inner_folds)


def _kept(store: Store, task: Task, outer: OuterFold, inner: InnerFold) -> Path:
    """Return the file of what an extractor found: named by all it depends on."""
    learnt_from = np.union1d(inner.training, inner.validation)
    seen = np.concatenate([learnt_from, inner.held_out, outer.test])
    told: dict[str, Any] = {
        # Not the store's fingerprint: an extractor does not see handcrafted features.
        "signals": _sha256(store.table(schema.CHECKSUMS)[seen]),
        "labels": _sha256(store.labels(rows=learnt_from)),
        "fs": store.config.fs,
        "model": task.settings.model.to_dict(),
        "training": replace(task.settings.training, seed=task.seed).to_dict(),
        "torch": torch.__version__,
        "extraction": EXTRACTION_VERSION,
        "device": task.device,
        "rows": [
            rows.tolist()
            for rows in (inner.training, inner.validation, inner.held_out, outer.test)
        ],
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    name = f"{task.settings.model.model}-{task.protocol}-{outer.name}-{task.seed}"
    return task.folder / f"{name}-{digest[:16]}.npz"


def _sha256(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes."""
    return hashlib.sha256(array.tobytes()).hexdigest()


def _read_found(path: Path) -> Outputs:
    """Return what an extractor found."""
    try:
        with path.open("rb") as file, np.load(file) as content:
            return Outputs(content["rows"], content["logits"], content["features"])
    # What NumPy raises depends on how the file is broken.
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise SchemaError(
            f"{path}: is damaged ({error}); remove it, and compare again"
        ) from error


class _OneThread:
    """Do tasks with one thread: how sums are split changes their last bits."""

    def __init__(self, function: Callable[[Task], Any]) -> None:
        self._function = function
        self._n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        self._limits = threadpool_limits(1)  # scikit-learn's

    def __call__(self, task: Task) -> Any:
        """Do one task."""
        return self._function(task)

    def close(self) -> None:
        """Let this process compute as before."""
        self._limits.restore_original_limits()
        torch.set_num_threads(self._n_threads)


def _collected(
    store: Store,
    protocol: str,
    outer: Sequence[OuterFold],
    n_seeds: int,
    judged: Mapping[tuple[str, int, int], Mapping[str, FoldPredictions]],
) -> dict[str, Predictions]:
    """Return the predictions of every fold and seed by row."""
    shape = (n_seeds, len(store), len(store.label_names))
    predictions = {
        name: Predictions(np.full(shape, np.nan), np.full(shape, np.nan))
        for name in judged[protocol, 0, 0]
    }
    for number, fold in enumerate(outer):
        for seed in range(n_seeds):
            for name, each in judged[protocol, number, seed].items():
                predictions[name].probabilities[seed, fold.test] = each.probabilities
                predictions[name].thresholds[seed, fold.test] = each.thresholds
    return predictions
