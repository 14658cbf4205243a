"""Compare handcrafted, deep and fused classifiers on records they have not seen."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.comparison.fold_predictions import (
    FoldPredictions,
    predict_outer_fold,
)
from ecgstore.models.comparison.protocols import OuterFold, outer_folds
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.hybrid.inner_folds import InnerFold, inner_folds
from ecgstore.models.hybrid.parts import extractor_outputs, fit_extractor
from ecgstore.models.networks.own import short_name, source_of
from ecgstore.models.one_thread import OneThread
from ecgstore.models.running import Outputs
from ecgstore.models.store_check import check_has_features
from ecgstore.storage import Store
from ecgstore.storage.format import schema
from ecgstore.system.atomic_files import folder_for_files, replace_file
from ecgstore.system.locks import only_writer
from ecgstore.system.progress import with_progress
from ecgstore.system.workers import run_tasks

EXTRACTION_VERSION: Final = 4
"""Increase it when the outputs of extractors change for the same settings, so that
outputs cached by older releases are not used."""

_PRELOAD: Final = ("ecgstore.models.comparison.run",)
"""Modules of the worker processes."""


@dataclass(frozen=True, eq=False, slots=True)
class Predictions:
    """Predictions of a classifier for every record, with every seed.

    Attributes
    ----------
    probabilities : ndarray of shape (n_seeds, n_records, n_classes)
        By row of the store, each from classifiers that were not trained on the record.
    thresholds : ndarray of the same shape
        Thresholds of the outer fold that has the record among its test records.
    """

    probabilities: FloatArray
    thresholds: FloatArray

    @property
    def decisions(self) -> BoolArray:
        """Predicted classes, of the shape of `probabilities`."""
        return self.probabilities >= self.thresholds


@dataclass(frozen=True, eq=False, slots=True)
class ProtocolResult:
    """The result of one protocol.

    Attributes
    ----------
    outer : list of OuterFold
        Its folds.
    predictions : Mapping
        By name of the classifier.
    """

    outer: list[OuterFold]
    predictions: Mapping[str, Predictions]

    @property
    def n_seeds(self) -> int:
        """Number of random seeds."""
        return len(next(iter(self.predictions.values())).probabilities)


@dataclass(frozen=True, slots=True)
class Task:
    """The work of one fold with one seed, for any process that can read the store."""

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
    """Predict every record with classifiers that have not seen its patient.

    For each outer fold and seed, an extractor is trained for each inner fold of the
    training records (`ecgstore.models.hybrid.inner_folds`), and every classifier on
    their outputs (`fold_predictions`). Outputs of extractors are cached in
    ``folder / "extracted"``, in files named by a digest of all inputs. A comparison
    that was stopped and is run again trains the missing extractors only; another
    comparison uses the cached outputs of equal inputs.

    Parameters
    ----------
    store : Store
        The records.
    settings : ComparisonSettings
        Protocols, numbers of folds and seeds, settings of the trainings.
    folder : Path
        Folder of the cache; created if it does not exist.
    device : str
        Device of the trainings.
    n_processes : int
        Number of extractors trained in parallel, each with one thread. Results do not
        depend on it.
    quiet : bool
        Whether to hide progress.

    Returns
    -------
    dict
        ProtocolResult by name of the protocol.

    Raises
    ------
    EcgStoreError
        If the store has no features or lacks a lead of the settings, another process
        compares into this folder, or a file cannot be written.
    """
    check_has_features(store)
    settings = settings.for_store(store)
    cache = folder / "extracted"
    folds = _all_folds(store, settings)
    n_seeds = {name: 1 if "-" in name else settings.n_seeds for name in folds}
    with folder_for_files(cache), only_writer(folder, "comparison"):
        tasks = [
            Task(store.path, protocol, fold, seed, inner, settings, cache, device)
            for protocol, outer in folds.items()
            for seed in range(n_seeds[protocol])
            for fold in range(len(outer))
            for inner in range(settings.n_inner_folds + 1)
        ]
        done = run_tasks(partial(OneThread, extract), tasks, n_processes, _PRELOAD)
        for _ in with_progress(
            done, "train extractors", len(tasks), quiet, "extractors"
        ):
            pass
        fold_tasks = [task for task in tasks if task.inner == 0]
        results = run_tasks(
            partial(OneThread, predict_fold), fold_tasks, n_processes, _PRELOAD
        )
        predicted = {
            (task.protocol, task.fold, task.seed): predictions
            for task, predictions in zip(
                fold_tasks,
                with_progress(
                    results, "predict folds", len(fold_tasks), quiet, "folds"
                ),
                strict=True,
            )
        }
    return {
        protocol: ProtocolResult(
            outer, _by_row(store, protocol, outer, n_seeds[protocol], predicted)
        )
        for protocol, outer in folds.items()
    }


def _all_folds(
    store: Store, settings: ComparisonSettings
) -> dict[str, list[OuterFold]]:
    """Return the folds of all protocols, and those of the learning curve."""
    folds = {
        name: outer_folds(store, name, settings.n_folds) for name in settings.protocols
    }
    n_all = min(
        len(fold.training) for fold in outer_folds(store, "patients", settings.n_folds)
    )
    sizes = [size for size in settings.learning_curve if int(size) < n_all]
    return folds | {
        name: outer_folds(store, name, settings.n_folds)
        for name in (f"patients-{size}" for size in sizes)
    }


def extract(task: Task) -> None:
    """Train the extractor of an inner fold, unless its outputs are in the cache."""
    with Store(task.store) as store:
        outer, inner = _folds(store, task)
        fold = inner[task.inner]
        path = _cache_file(store, task, outer, fold)
        if path.exists():
            return
        settings = task.settings.hybrid(task.seed)
        checkpoint = fit_extractor(
            store, fold, settings.model, settings.training, task.device
        )
        rows = np.union1d(fold.held_out, outer.test)
        outputs = extractor_outputs(checkpoint, store, rows, task.device)
        with replace_file(path, "wb") as file:
            np.savez(
                file,
                rows=outputs.rows,
                logits=outputs.logits,
                features=outputs.features,
            )


def predict_fold(task: Task) -> dict[str, FoldPredictions]:
    """Predict the test records of an outer fold whose extractors are trained."""
    with Store(task.store) as store:
        outer, inner = _folds(store, task)
        outputs = [_read_outputs(_cache_file(store, task, outer, f)) for f in inner]
        return predict_outer_fold(
            store,
            outer,
            inner,
            outputs,
            task.settings.hybrid(task.seed),
            deep_inputs=task.settings.deep_inputs,
            # Those of a learning curve are compared with each other, not to these.
            with_joined="-" not in task.protocol,
        )


def _folds(store: Store, task: Task) -> tuple[OuterFold, list[InnerFold]]:
    """Return the outer fold of a task and its inner folds."""
    outer = outer_folds(store, task.protocol, task.settings.n_folds)[task.fold]
    return outer, inner_folds(store, outer.training, task.settings.n_inner_folds)


def _cache_file(store: Store, task: Task, outer: OuterFold, inner: InnerFold) -> Path:
    """Return the file of an extractor's outputs, named by a digest of all inputs."""
    seen = np.union1d(inner.training, inner.validation)
    rows = np.concatenate([seen, inner.held_out, outer.test])
    source = source_of(task.settings.model.model)
    identity: dict[str, Any] = {
        # Not the store's fingerprint, which depends on handcrafted features as well.
        "signals": _sha256(store.table(schema.CHECKSUMS)[rows]),
        "labels": _sha256(store.labels(rows=seen, dtype=np.uint8)),
        "fs": store.config.fs,
        "model": task.settings.model.to_dict(),
        **({} if source is None else {"source": source["sha256"]}),
        "training": replace(task.settings.training, seed=task.seed).to_dict(),
        "torch": torch.__version__,
        "extraction": EXTRACTION_VERSION,
        "device": task.device,
        "rows": [
            part.tolist()
            for part in (inner.training, inner.validation, inner.held_out, outer.test)
        ],
    }
    text = json.dumps(identity, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    model = short_name(task.settings.model.model)
    name = f"{model}-{task.protocol}-{outer.name}-{task.seed}"
    return task.folder / f"{name}-{digest[:16]}.npz"


def _sha256(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes."""
    return hashlib.sha256(array.tobytes()).hexdigest()


def _read_outputs(path: Path) -> Outputs:
    """Return the cached outputs of an extractor."""
    try:
        file = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise EcgStoreError(
            f"{path}: cannot be read ({error.strerror}); remove it, and compare again"
        ) from error
    try:
        with np.load(file) as content:
            return Outputs(content["rows"], content["logits"], content["features"])
    except Exception as error:  # which one depends on how the file is damaged
        raise SchemaError(
            f"{path}: is damaged (NumPy cannot load it); remove it, and compare again"
        ) from error


def _by_row(
    store: Store,
    protocol: str,
    outer: Sequence[OuterFold],
    n_seeds: int,
    predicted: Mapping[tuple[str, int, int], Mapping[str, FoldPredictions]],
) -> dict[str, Predictions]:
    """Return the predictions of all folds and seeds of a protocol, by row."""
    shape = (n_seeds, len(store), len(store.label_names))
    predictions = {
        name: Predictions(np.full(shape, np.nan), np.full(shape, np.nan))
        for name in predicted[protocol, 0, 0]
    }
    for number, fold in enumerate(outer):
        for seed in range(n_seeds):
            for name, part in predicted[protocol, number, seed].items():
                predictions[name].probabilities[seed, fold.test] = part.probabilities
                predictions[name].thresholds[seed, fold.test] = part.thresholds
    return predictions
