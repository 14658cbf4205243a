"""Measure whether learning the handcrafted features makes a network on signals better.

Example::

    python -m bench.models.pretraining data/challenge-2020/training --workers 2

Builds a store of the Challenge records in the folder. Trains resnet18 at 100 Hz on
random crops in five folds of patients, with the handcrafted features as auxiliary
targets, as targets of a pretraining on the same records without labels, both, and
neither. All variants have the same folds and seeds, and as many supervised epochs.
Prints the scores of the test records of all folds together, and their differences from
the training with neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

import ecgstore
from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.models import ModelSettings, TrainingSettings
from ecgstore.models.comparison.protocols import OuterFold, outer_folds
from ecgstore.models.hybrid.inner_folds import inner_folds
from ecgstore.models.hybrid.parts import extractor_outputs, fit_extractor
from ecgstore.models.one_thread import OneThread
from ecgstore.models.running import probabilities_of
from ecgstore.scores.bootstrap import (
    BootstrapResult,
    Estimate,
    as_json,
    paired_bootstrap,
)
from ecgstore.storage import Store
from ecgstore.system.workers import run_tasks

BASELINE: Final = "neither"
EPOCHS: Final = 12
VARIANTS: Final[Mapping[str, Mapping[str, float]]] = {
    BASELINE: {},
    "auxiliary weight 0.3": {"auxiliary_weight": 0.3},
    "auxiliary weight 1": {"auxiliary_weight": 1.0},
    "pretrained": {"pretrain_epochs": EPOCHS},
    "pretrained, auxiliary weight 1": {
        "pretrain_epochs": EPOCHS,
        "auxiliary_weight": 1.0,
    },
}
"""By name, the settings of the training that differ from those of the baseline."""
MODEL: Final = ModelSettings(model="resnet18", fs=100.0)
TRAINING: Final = TrainingSettings(epochs=EPOCHS, crop_s=2.5)
SCORES: Final = {
    "macro_auroc": "macro AUROC",
    "macro_average_precision": "average precision",
}
_N_FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class _Task:
    """One training."""

    store: Path
    fold: OuterFold
    settings: TrainingSettings


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.models.pretraining", __doc__, folder="folder with Challenge records"
    )
    parser.add_argument(
        "--patients",
        type=Path,
        metavar="PATH",
        help="PTB-XL's ptbxl_database.csv, to know the patients of its records",
    )
    add_count(parser, "--seeds", 1, "trainings of each variant and fold")
    add_count(parser, "--workers", 2, "trainings at a time, each with one thread")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as scratch:
        path = Path(scratch, "store.h5")
        ecgstore.build_store(
            [options.folder],
            path,
            Config(select="all"),
            patients=options.patients,
            quiet=True,
        )
        logits = _trained(path, options.seeds, options.workers)
        with Store(path) as store:
            scores = scored(store, logits)
    print_scores(scores)
    write_json(options.json, {"seeds": options.seeds, **as_dict(scores)})


def _trained(path: Path, n_seeds: int, n_workers: int) -> dict[str, FloatArray]:
    """Return by variant the logits of all records, (n_seeds, n_records, n_classes)."""
    with Store(path) as store:
        folds = outer_folds(store, "patients", _N_FOLDS)
        shape = (n_seeds, len(store), len(store.label_names))
    keys = [
        (name, seed, fold)
        for name in VARIANTS
        for seed in range(n_seeds)
        for fold in folds
    ]
    tasks = [_Task(path, fold, settings_of(name, seed)) for name, seed, fold in keys]
    worker = partial(OneThread, logits_of_fold)
    done = run_tasks(worker, tasks, n_workers, [logits_of_fold.__module__])
    logits = {name: np.empty(shape) for name in VARIANTS}
    for (name, seed, fold), of_fold in zip(keys, done, strict=True):
        logits[name][seed, fold.test] = of_fold
    return logits


def settings_of(variant: str, seed: int) -> TrainingSettings:
    """Return the settings of the training of a variant."""
    changes: dict[str, Any] = {**VARIANTS[variant], "seed": seed}
    return replace(TRAINING, **changes)


def logits_of_fold(task: _Task) -> FloatArray:
    """Train without the test records of a fold; return their logits."""
    with Store(task.store) as store:
        fold = inner_folds(store, task.fold.training, _N_FOLDS)[-1]
        extractor = fit_extractor(store, fold, MODEL, task.settings)
        outputs = extractor_outputs(extractor, store, task.fold.test)
    return outputs.logits.astype(np.float64)


def scored(store: Store, logits: Mapping[str, FloatArray]) -> BootstrapResult:
    """Return the scores of all variants, with intervals over patients.

    Differences are those of the variants, less the baseline.
    """
    predicted = {name: probabilities_of(values) for name, values in logits.items()}
    # The bootstrap takes the later set of predictions from the earlier one.
    predicted[BASELINE] = predicted.pop(BASELINE)
    return paired_bootstrap(
        store.labels(dtype=np.uint8),
        predicted,
        # No score that is shown has a threshold.
        {name: values >= 0.5 for name, values in predicted.items()},
        store.groups(),
    )


def as_dict(scores: BootstrapResult) -> dict[str, Any]:
    """Return by variant the scores and the differences, for JSON."""
    return {
        "records": scores.n_records,
        "patients": scores.n_groups,
        "scores": {name: _shown(scores.scores[name]) for name in VARIANTS},
        "differences": {
            name: _shown(scores.differences[name, BASELINE]) for name in _others()
        },
    }


def _shown(estimates: Mapping[str, Estimate]) -> Any:
    """Return the estimates that are shown, for JSON."""
    return as_json({score: estimates[score] for score in SCORES})


def print_scores(scores: BootstrapResult) -> None:
    """Print the tables of the scores and of the differences."""
    print_table(
        f"{scores.n_records} records of {scores.n_groups} patients",
        [*SCORES.values()],
        {
            name: [_text(scores.scores[name][score]) for score in SCORES]
            for name in VARIANTS
        },
    )
    print_table(
        f"less {BASELINE}",
        [*SCORES.values()],
        {
            name: [_text(scores.differences[name, BASELINE][x], "+") for x in SCORES]
            for name in _others()
        },
    )


def _others() -> list[str]:
    """Return the variants besides the baseline."""
    return [name for name in VARIANTS if name != BASELINE]


def _text(estimate: Estimate, sign: str = "") -> str:
    """Return an estimate with its interval as text."""
    value, low, high = (f"{number:{sign}.3f}" for number in estimate)
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    main()
