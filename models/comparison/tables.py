"""The CSV files of a comparison; undefined values are empty."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ecgstore.models.comparison.estimates import auroc_within_sources
from ecgstore.models.comparison.results import ComparedRecords, ProtocolResult
from ecgstore.scores.bootstrap import BootstrapResult, Estimate
from ecgstore.scores.weighted import macro_average
from ecgstore.system.csv_files import write_csv


def write_scores(
    records: ComparedRecords, estimates: BootstrapResult, path: Path
) -> None:
    """Write a row for each classifier and score, of all records and of each class."""
    write_csv(
        path,
        ["classifier", "score", "class", "value", "low", "high"],
        [
            [name, *row]
            for name in estimates.names
            for row in _rows(
                records.label_names,
                estimates.scores[name],
                estimates.class_scores[name],
            )
        ],
    )


def write_differences(
    records: ComparedRecords, estimates: BootstrapResult, path: Path
) -> None:
    """Write a row for each pair and score, of all records and of each class."""
    write_csv(
        path,
        ["first", "second", "score", "class", "value", "low", "high"],
        [
            [*pair, *row]
            for pair, scores in estimates.differences.items()
            for row in _rows(
                records.label_names, scores, estimates.class_differences[pair]
            )
        ],
    )


def write_by_source(
    records: ComparedRecords, result: ProtocolResult, path: Path
) -> None:
    """Write a row for each source and classifier: AUROC of each class.

    The macro AUROC is the mean over the classes that some, but not all records of the
    source have; their number is in the column before.
    """
    n_records = Counter(records.source)
    write_csv(
        path,
        [
            *("source", "records", "classifier", "classes", "macro AUROC"),
            *records.label_names,
        ],
        [
            [
                *(source, n_records[source], name),
                *(int((~np.isnan(areas)).sum()), macro_average(areas), *areas),
            ]
            for source, classifier_areas in auroc_within_sources(
                records, result
            ).items()
            for name, areas in classifier_areas.items()
        ],
    )


def _rows(
    label_names: Sequence[str],
    scores: Mapping[str, Estimate],
    class_scores: Mapping[str, Sequence[Estimate]],
) -> list[list[str | float]]:
    """Return score, class (empty for all records), value, low and high."""
    rows: list[list[str | float]] = [
        [score, "", *estimate] for score, estimate in scores.items()
    ]
    for score, estimates in class_scores.items():
        rows += [
            [score, label, *estimate]
            for label, estimate in zip(label_names, estimates, strict=True)
        ]
    return rows
