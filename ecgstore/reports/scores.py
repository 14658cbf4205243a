"""Tables of scores and differences with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.reports.page import Cell, Table
from ecgstore.scores.bootstrap import Estimate
from ecgstore.scores.table import (
    CLASS_SCORE_HEADINGS,
    SCORE_HEADINGS,
    SCORES_EXPLAINED,
)
from ecgstore.scores.texts import estimate_text, number_text

_MOST_COLUMNS: Final = 7
"""Columns of intervals that fit on a page."""


def scores_explained() -> str:
    """Return how to read scores, in sentences.

    Examples
    --------
    >>> scores_explained().endswith(".")
    True
    """
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in SCORES_EXPLAINED)


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
    n_positive: Sequence[int] | None,
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
    n_positive : sequence of int or None
        Number of records with each, for a column.
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
        row: list[Cell] = [name]
        if n_positive is not None:
            row.append(int(n_positive[number]))
        row += [estimate_text(*of[number], sign) for of in scores.values()]
        if thresholds is not None:
            row.append(number_text(float(thresholds[number])))
        rows.append(row)
    head = ["class", *([] if n_positive is None else ["records"]), *scores]
    return Table(
        caption, [*head, *([] if thresholds is None else ["threshold"])], rows, note
    )


def wide_tables(
    caption: str,
    first: str,
    rows: Sequence[str],
    columns: Sequence[tuple[str, Sequence[Cell]]],
    note: str = "",
) -> list[Table]:
    """Return a table with many columns in parts that fit on a page.

    Parameters
    ----------
    caption : str
        What it shows.
    first : str
        Heading of the names of the rows.
    rows : sequence of str
        Names of the rows, which every part has.
    columns : sequence of (str, sequence of Cell)
        Heading and cells of each column.
    note : str
        A sentence below the last part.
    """
    parts = [
        columns[begin : begin + _MOST_COLUMNS]
        for begin in range(0, len(columns), _MOST_COLUMNS)
    ]
    return [
        Table(
            caption if len(parts) == 1 else f"{caption}; {part[0][0]} to {part[-1][0]}",
            [first, *(heading for heading, _ in part)],
            [
                [name, *(cells[row] for _, cells in part)]
                for row, name in enumerate(rows)
            ],
            note if part is parts[-1] else "",
        )
        for part in parts
    ]


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
