"""Write predictions as a table: a row for each record, usable or not."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ecgstore.models.inference.prediction import Prediction
from ecgstore.system.csv_files import write_csv_rows

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


def write_predictions(
    file: "SupportsWrite[str]",
    label_names: Sequence[str],
    predictions: Iterable[Prediction],
    *,
    decisions: bool = False,
) -> tuple[int, int]:
    """Write predictions as CSV, each as soon as it is available.

    The columns are record_id, path, status, detail, and the probability of each class
    with six decimals, empty for a record that cannot be used. The detail is the problem
    of such a record, or the leads that another lacks.

    Parameters
    ----------
    file : text file
        The file to write to.
    label_names : sequence of str
        Names of the classes.
    predictions : iterable of Prediction
        The predictions.
    decisions : bool
        Add a column ``predicted`` with the names of the predicted classes, separated by
        semicolons.

    Returns
    -------
    int
        Number of predictions.
    int
        Number of them for records that cannot be used.
    """
    n_records = n_unusable = 0

    def rows() -> Iterator[list[Any]]:
        nonlocal n_records, n_unusable
        for prediction in predictions:
            probabilities: Iterable[float | None] = (
                [None] * len(label_names)
                if prediction.probabilities is None
                else prediction.probabilities.tolist()
            )
            n_records += 1
            n_unusable += prediction.probabilities is None
            yield [
                prediction.record_id,
                prediction.path,
                prediction.status,
                prediction.detail,
                *probabilities,
                *([_predicted(prediction, label_names)] if decisions else []),
            ]

    columns = ["record_id", "path", "status", "detail", *label_names]
    columns += ["predicted"] if decisions else []
    write_csv_rows(file, columns, rows(), ".6f")
    return n_records, n_unusable


def _predicted(prediction: Prediction, label_names: Sequence[str]) -> str:
    """Return the names of the predicted classes."""
    if prediction.decisions is None:
        return ""
    return ";".join(
        name
        for name, is_predicted in zip(label_names, prediction.decisions, strict=True)
        if is_predicted
    )
