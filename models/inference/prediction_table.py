"""Predictions as a table: a row for each record, usable or not."""

import csv
from collections.abc import Iterable, Sequence
from typing import IO

from ecgstore.models.inference.prediction import Prediction


def write_predictions(
    file: IO[str], label_names: Sequence[str], predictions: Iterable[Prediction]
) -> tuple[int, int]:
    """Write predictions as CSV, each as soon as it is there.

    The columns are record_id, path, status, detail, and one for each class, with six
    digits behind the point; those are empty for a record that cannot be used.

    Parameters
    ----------
    file : text file
        Where to.
    label_names : sequence of str
        Names of the classes.
    predictions : iterable of Prediction
        What to write.

    Returns
    -------
    int
        How many predictions there are.
    int
        How many of them are of records that cannot be used.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["record_id", "path", "status", "detail", *label_names])
    n_records = n_unusable = 0
    for each in predictions:
        said = (
            [""] * len(label_names)
            if each.probabilities is None
            else [f"{value:.6f}" for value in each.probabilities]
        )
        writer.writerow([each.record_id, each.path, each.status, each.detail, *said])
        n_records += 1
        n_unusable += each.probabilities is None
    return n_records, n_unusable
