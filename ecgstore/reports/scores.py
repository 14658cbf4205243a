"""Tables of scores and differences with their intervals."""

from collections.abc import Mapping, Sequence

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.reports.page import Cell, Table
from ecgstore.scores.bootstrap import Estimate
from ecgstore.scores.table import CLASS_SCORE_HEADINGS, SCORE_HEADINGS
from ecgstore.scores.texts import estimate_text, number_text


def score_table(
    caption: str,
    scores: Mapping[str, Mapping[str, Estimate]],
    *,
    first: str = "classifier",
    sign: str = "",
    note: str = "",
) -> Table:
    """Return a table with a row for each classifier or pair, a column for each score.

    Parameters
    ----------
    caption : str
        What it shows.
    scores : Mapping
        By title of the row and name of the score.
    first : str
        Heading of the titles.
    sign : {"", "+"}
        "+" for differences.
    note : str
        A sentence below the table.
    """
    rows: list[list[Cell]] = [
        [title, *(estimate_text(*of[name], sign) for name in SCORE_HEADINGS)]
        for title, of in scores.items()
    ]
    return Table(caption, [first, *SCORE_HEADINGS.values()], rows, note)


def class_table(
    caption: str,
    label_names: Sequence[str],
    n_positive: Sequence[int],
    scores: Mapping[str, Sequence[Estimate]],
    *,
    thresholds: Sequence[float] | None = None,
    sign: str = "",
    note: str = "",
) -> Table:
    """Return a table with a row for each class.

    Parameters
    ----------
    caption : str
        What it shows.
    label_names : sequence of str
        Names of the classes.
    n_positive : sequence of int
        Number of records with each.
    scores : Mapping
        By heading of the column, the estimates of the classes.
    thresholds : sequence of float, optional
        Of each class, for a last column.
    sign : {"", "+"}
        "+" for differences.
    note : str
        A sentence below the table.
    """
    rows: list[list[Cell]] = []
    for number, name in enumerate(label_names):
        row: list[Cell] = [name, int(n_positive[number])]
        row += [estimate_text(*of[number], sign) for of in scores.values()]
        if thresholds is not None:
            row.append(number_text(float(thresholds[number])))
        rows.append(row)
    last = [] if thresholds is None else ["threshold"]
    return Table(caption, ["class", "records", *scores, *last], rows, note)


def by_heading(
    class_scores: Mapping[str, Sequence[Estimate]],
) -> dict[str, Sequence[Estimate]]:
    """Return the scores of classes by the headings of their columns."""
    return {
        heading: class_scores[name] for name, heading in CLASS_SCORE_HEADINGS.items()
    }


def threshold_text(thresholds: FloatArray) -> str:
    """Return the median of thresholds and their range.

    Examples
    --------
    >>> threshold_text(np.array([0.2, 0.3, 0.7])), threshold_text(np.array([0.5, 0.5]))
    ('0.300 (0.200 to 0.700)', '0.500')
    """
    low, middle, high = (
        number_text(float(one))
        for one in (thresholds.min(), np.median(thresholds), thresholds.max())
    )
    return middle if low == high else f"{middle} ({low} to {high})"
