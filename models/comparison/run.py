"""Compare handcrafted, deep and fused classifiers on records they have not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from ecgstore.models.comparison.cache import cache_path, read_cached, write_cached
from ecgstore.models.comparison.fold_predictions import (
    FoldPredictions,
    predict_outer_fold,
)
from ecgstore.models.comparison.identity import (
    extraction_identity,
    prediction_identity,
)
from ecgstore.models.comparison.protocols import OuterFold, outer_folds
from ecgstore.models.comparison.results import Predictions, ProtocolResult
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.hybrid.inner_folds import InnerFold, inner_folds
from ecgstore.models.hybrid.parts import extractor_outputs, fit_extractor
from ecgstore.models.networks.own import short_name
from ecgstore.models.one_thread import OneThread
from ecgstore.models.running import Outputs
from ecgstore.models.store_check import check_has_features
from ecgstore.storage import Store
from ecgstore.system.atomic_files import folder_for_files
from ecgstore.system.locks import only_writer
from ecgstore.system.progress import with_progress
from ecgstore.system.workers import run_tasks

_EXTRACTED: Final = "extracted"
_PREDICTED: Final = "predicted"
"""Folders of the caches."""

_PRELOAD: Final = ("ecgstore.models.comparison.run",)
"""Modules of the worker processes."""


@dataclass(frozen=True, slots=True)
class Task:
    """The work of one fold with one seed, for any process that can read the store."""

    store: Path | str
    protocol: str
    fold: int
    seed: int
    inner: int
    settings: ComparisonSettings
    folder: Path
    device: str

    @property
    def with_joined(self) -> bool:
        """Whether there are classifiers on deep features.

        Those of a learning curve are compared with each other, not to these.
        """
        return "-" not in self.protocol


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
    ``folder / "extracted"`` and predictions of folds in ``folder / "predicted"``, in
    files named by a digest of all inputs. A comparison that was stopped and is run
    again trains the missing extractors and predicts the missing folds only; another
    comparison uses what is cached for equal inputs.

    Parameters
    ----------
    store : Store
        The records.
    settings : ComparisonSettings
        Protocols, numbers of folds and seeds, settings of the trainings.
    folder : Path
        Folder of the caches; created if it does not exist.
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
    folds = _all_folds(store, settings)
    n_seeds = {name: 1 if "-" in name else settings.n_seeds for name in folds}
    with (
        folder_for_files(folder / _EXTRACTED),
        folder_for_files(folder / _PREDICTED),
        only_writer(folder, "comparison"),
    ):
        tasks = [
            Task(store.address, protocol, fold, seed, inner, settings, folder, device)
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
        path = _outputs_file(store, task, outer, fold)
        if path.exists():
            return
        settings = task.settings.hybrid(task.seed)
        checkpoint = fit_extractor(
            store, fold, settings.model, settings.training, task.device
        )
        rows = np.union1d(fold.held_out, outer.test)
        outputs = extractor_outputs(checkpoint, store, rows, task.device)
        write_cached(
            path,
            {
                "rows": outputs.rows,
                "logits": outputs.logits,
                "features": outputs.features,
            },
        )


def predict_fold(task: Task) -> dict[str, FoldPredictions]:
    """Predict the test records of an outer fold whose extractors are trained.

    Nothing is trained if the predictions are in the cache.
    """
    with Store(task.store) as store:
        outer, inner = _folds(store, task)
        files = [_outputs_file(store, task, outer, fold) for fold in inner]
        path = _predictions_file(store, task, outer, inner, files)
        if path.exists():
            return _read_predictions(path)
        predictions = predict_outer_fold(
            store,
            outer,
            inner,
            [_read_outputs(file) for file in files],
            task.settings.hybrid(task.seed),
            deep_inputs=task.settings.deep_inputs,
            with_joined=task.with_joined,
        )
        _write_predictions(path, predictions)
        return predictions


def _folds(store: Store, task: Task) -> tuple[OuterFold, list[InnerFold]]:
    """Return the outer fold of a task and its inner folds."""
    outer = outer_folds(store, task.protocol, task.settings.n_folds)[task.fold]
    return outer, inner_folds(store, outer.training, task.settings.n_inner_folds)


def _outputs_file(store: Store, task: Task, outer: OuterFold, inner: InnerFold) -> Path:
    """Return the file of an extractor's outputs, named by a digest of all inputs."""
    identity = extraction_identity(
        store, task.settings, task.seed, outer, inner, task.device
    )
    return cache_path(task.folder / _EXTRACTED, _name(task, outer), identity)


def _predictions_file(
    store: Store,
    task: Task,
    outer: OuterFold,
    inner: Sequence[InnerFold],
    outputs: Sequence[Path],
) -> Path:
    """Return the file of a fold's predictions, named by a digest of all inputs."""
    identity = prediction_identity(
        store,
        task.settings,
        task.seed,
        outer,
        inner,
        outputs,
        with_joined=task.with_joined,
    )
    return cache_path(task.folder / _PREDICTED, _name(task, outer), identity)


def _name(task: Task, outer: OuterFold) -> str:
    """Return the begin of the names of files of a task."""
    model = short_name(task.settings.model.model)
    return f"{model}-{task.protocol}-{outer.name}-{task.seed}"


def _read_outputs(path: Path) -> Outputs:
    """Return the cached outputs of an extractor."""
    content = read_cached(path, ("rows", "logits", "features"))
    return Outputs(content["rows"], content["logits"], content["features"])


def _write_predictions(path: Path, predictions: Mapping[str, FoldPredictions]) -> None:
    """Write the predictions of every classifier, in their order."""
    write_cached(
        path,
        {
            "names": np.array([*predictions]),
            "probabilities": np.stack([p.probabilities for p in predictions.values()]),
            "thresholds": np.stack([p.thresholds for p in predictions.values()]),
        },
    )


def _read_predictions(path: Path) -> dict[str, FoldPredictions]:
    """Return the cached predictions of every classifier."""
    content = read_cached(path, ("names", "probabilities", "thresholds"))
    return {
        str(name): FoldPredictions(probabilities, thresholds)
        for name, probabilities, thresholds in zip(
            content["names"],
            content["probabilities"],
            content["thresholds"],
            strict=True,
        )
    }


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
