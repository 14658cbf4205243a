"""What a comparison found: tables, plots, and every prediction, in a folder."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import sklearn
import torch

from ecgstore import __version__
from ecgstore.arrays import FloatArray
from ecgstore.models.comparison.classifiers import CLASSIFIERS
from ecgstore.models.comparison.run import ProtocolResult
from ecgstore.models.patients import patients
from ecgstore.models.settings import ComparisonSettings
from ecgstore.plots import (
    plot_confusion,
    plot_difference_intervals,
    plot_reliability,
    plot_score_intervals,
    save,
)
from ecgstore.scores.bootstrap import BootstrapResult, Estimate, paired_bootstrap
from ecgstore.scores.multilabel import SCORE_TITLES, auroc
from ecgstore.scores.weighted import CLASS_SCORES, SCORES, macro_average
from ecgstore.storage import Store
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.csv_files import write_csv

BASELINES: Final = ("always-commonest", "source-only")
"""What is reached without looking at an ECG."""

PAIRS: Final = (
    ("both", "handcrafted"),
    ("both", "deep"),
    ("both", "extractor"),
    ("trees-both", "trees"),
    ("trees-both", "extractor"),
    ("trees", "handcrafted"),
    ("deep", "extractor"),
)
"""The differences that are drawn. The first two were chosen beforehand: does fusion
help? Among so many, chance alone lets some look real."""

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "always-commonest": "floor: always the commonest class",
    "source-only": "floor: the recording site alone",
    "extractor": "deep network itself",
    **{name: mode.description for name, mode in CLASSIFIERS.items()},
}

_CLASS_TITLES: Final[Mapping[str, str]] = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "f1": "F1",
    "calibration_error": "Calibration error",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The estimates of every protocol, and the files that show them.

    Attributes
    ----------
    estimates : Mapping
        By protocol.
    files : list of Path
        In the order in which they are worth looking at.
    """

    estimates: Mapping[str, BootstrapResult]
    files: list[Path]


def write_report(
    store: Store,
    settings: ComparisonSettings,
    results: Mapping[str, ProtocolResult],
    folder: Path,
) -> Report:
    """Estimate scores and differences, and write everything to a folder.

    For each protocol: ``<protocol>-scores.csv`` and ``-differences.csv`` with every
    estimate and its interval, ``-by-source.csv`` with the AUROC within each source,
    pictures of scores, differences, calibration and confusion, and ``<protocol>.json``
    with every prediction by record, from which all can be computed again.

    Parameters
    ----------
    store : Store
        What was compared on.
    settings : ComparisonSettings
        What was done.
    results : Mapping
        What `comparison.compare` returned.
    folder : Path
        Where to.
    """
    estimates, files = {}, []
    owner = patients(store)
    for protocol, result in results.items():
        found = estimate(store, settings, result)
        estimates[protocol] = found
        files += _write_plots(store, protocol, result, found, folder)
        files += [
            _write_scores(store, found, folder / f"{protocol}-scores.csv"),
            _write_differences(store, found, folder / f"{protocol}-differences.csv"),
            _write_by_source(store, result, folder / f"{protocol}-by-source.csv"),
        ]
        content = _predictions(store, settings, protocol, result, found, owner)
        path = folder / f"{protocol}.json"
        with replace_file(path) as file:
            json.dump(content, file, ensure_ascii=False)
        files.append(path)
    return Report(estimates, files)


def estimate(
    store: Store, settings: ComparisonSettings, result: ProtocolResult
) -> BootstrapResult:
    """Return scores and differences of the modes, with intervals over patients.

    Scores are means over the seeds: what one training comes to.
    """
    return paired_bootstrap(
        store.labels(),
        {name: each.probabilities for name, each in result.predictions.items()},
        {name: each.decisions for name, each in result.predictions.items()},
        patients(store),
        n_resamples=settings.n_resamples,
    )


def difference(found: BootstrapResult, first: str, second: str) -> dict[str, Estimate]:
    """Return the first mode's scores minus the second's, in whatever order they are."""
    if (first, second) in found.differences:
        return dict(found.differences[first, second])
    return {
        score: Estimate(-each.value, -each.high, -each.low)
        for score, each in found.differences[second, first].items()
    }


def _write_plots(
    store: Store,
    protocol: str,
    result: ProtocolResult,
    found: BootstrapResult,
    folder: Path,
) -> list[Path]:
    """Draw one protocol."""
    names, labels = store.label_names, store.labels() > 0
    judged = {name: DESCRIPTIONS[name] for name in found.names}
    first_seed = {
        judged[name]: each.probabilities[0]
        for name, each in result.predictions.items()
        if name not in BASELINES
    }
    figures = {
        "scores": plot_score_intervals(
            {title: found.scores[name] for name, title in judged.items()},
            columns=SCORE_TITLES,
            title=f"Scores, folds by {protocol}",
        ),
        **{
            f"classes-{score}": plot_score_intervals(
                {
                    title: dict(
                        zip(names, found.class_scores[name][score], strict=True)
                    )
                    for name, title in judged.items()
                },
                title=f"{_CLASS_TITLES[score]} of each class, folds by {protocol}",
            )
            for score in CLASS_SCORES
        },
        "differences": plot_difference_intervals(
            {
                (judged[first], judged[second]): difference(found, first, second)
                for first, second in PAIRS
            },
            columns=SCORE_TITLES,
            title=f"Differences, folds by {protocol}",
        ),
        "reliability": plot_reliability(
            labels,
            first_seed,
            names,
            title=f"Reliability by {protocol}, first seed",
        ),
        **{
            f"confusion-{name}": plot_confusion(
                labels,
                result.predictions[name].decisions[0],
                names,
                title=f"{judged[name]}, folds by {protocol}, first seed",
            )
            for name in ("handcrafted", "extractor", "both")
        },
    }
    files = []
    for name, figure in figures.items():
        path = folder / f"{protocol}-{name}.png"
        save(figure, path)
        files.append(path)
    return files


def _write_scores(store: Store, found: BootstrapResult, path: Path) -> Path:
    """Write a row for every mode and score, of all classes and of each."""
    rows: list[list[Any]] = []
    for name in found.names:
        rows += [[name, score, "", *found.scores[name][score]] for score in SCORES]
        rows += [
            [name, score, label, *each]
            for score, by_class in found.class_scores[name].items()
            for label, each in zip(store.label_names, by_class, strict=True)
        ]
    return _write_rows(path, ["mode", "score", "class", "value", "low", "high"], rows)


def _write_differences(store: Store, found: BootstrapResult, path: Path) -> Path:
    """Write a row for every pair of modes and score, of all classes and of each."""
    rows: list[list[Any]] = []
    for (first, second), scores in found.differences.items():
        rows += [[first, second, score, "", *scores[score]] for score in SCORES]
        by_score = found.class_differences[first, second]
        rows += [
            [first, second, score, label, *each]
            for score, by_class in by_score.items()
            for label, each in zip(store.label_names, by_class, strict=True)
        ]
    head = ["first", "second", "score", "class", "value", "low", "high"]
    return _write_rows(path, head, rows)


def by_source(store: Store, result: ProtocolResult) -> dict[str, dict[str, FloatArray]]:
    """Return the AUROC of each class within each source, mean over the seeds.

    Records of one source are compared with each other only: nothing is gained by
    knowing which source a record is of.

    Returns
    -------
    dict
        By source and mode, an ndarray of shape (n_classes,): NaN where no record or
        every record of the source has the class.
    """
    labels, source = store.labels(), store.records["source"].to_numpy()
    return {
        name: {
            mode: np.mean(
                [
                    auroc(labels[source == name], each[source == name])
                    for each in predictions.probabilities
                ],
                axis=0,
            )
            for mode, predictions in result.predictions.items()
        }
        for name in sorted(set(source))
    }


def _write_by_source(store: Store, result: ProtocolResult, path: Path) -> Path:
    """Write a row for every source and mode: records, and the AUROC of each class."""
    n_records = store.records["source"].value_counts()
    rows = [
        [source, int(n_records[source]), mode, macro_average(classes), *classes]
        for source, of_mode in by_source(store, result).items()
        for mode, classes in of_mode.items()
    ]
    head = ["source", "records", "mode", "macro AUROC", *store.label_names]
    return _write_rows(path, head, rows)


def _write_rows(path: Path, head: list[str], rows: list[list[Any]]) -> Path:
    """Write a CSV file; return its path."""
    write_csv(path, head, rows)
    return path


def _predictions(
    store: Store,
    settings: ComparisonSettings,
    protocol: str,
    result: ProtocolResult,
    found: BootstrapResult,
    owner: np.ndarray,
) -> dict[str, Any]:
    """Return everything that is needed to compute the scores again."""
    fold_of = np.empty(len(store), object)
    for fold in result.outer:
        fold_of[fold.test] = fold.name
    labels, source = store.labels(), store.records["source"].to_list()
    return {
        "format": "ecgstore comparison",
        "version": 1,
        "protocol": protocol,
        "settings": settings.to_dict(),
        "store": {"name": store.path.name, "fingerprint": store.fingerprint},
        "software": {
            "ecgstore": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": torch.__version__,
            "machine": platform.machine(),
        },
        "classes": list(store.label_names),
        "estimates": found.to_dict(),
        "thresholds": {
            name: {
                fold.name: each.thresholds[:, fold.test[0]].tolist()
                for fold in result.outer
            }
            for name, each in result.predictions.items()
        },
        "records": [
            {
                "record_id": record_id,
                "source": source[row],
                "patient": int(owner[row]),
                "fold": fold_of[row],
                "labels": labels[row].tolist(),
                "probabilities": {
                    name: each.probabilities[:, row].tolist()
                    for name, each in result.predictions.items()
                },
            }
            for row, record_id in enumerate(store)
        ],
    }
