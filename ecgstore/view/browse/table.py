"""Cells of the table of records."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.storage.columns import RECORD_ID
from ecgstore.storage.format import schema
from ecgstore.view.browse.browsing import Browsing

MOST_ROWS: Final = 500
MOST_COLUMNS: Final = 40
"""Rows and columns that are answered at a time."""


def cells(
    browsing: Browsing, rows: IntArray, columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Return some rows of the table: number, name, classes, and cells of columns."""
    store = browsing.store
    labels = store.table(schema.LABELS)[rows]
    read = {
        name: browsing.read(name, rows).tolist()
        for name in dict.fromkeys((RECORD_ID, *columns))
    }
    return [
        {
            "row": row,
            **{name: values[k] for name, values in read.items()},
            "classes": [store.label_names[c] for c in np.flatnonzero(labels[k])],
        }
        for k, row in enumerate(rows.tolist())
    ]


def place(rows: IntArray | range, row: int) -> dict[str, int | None]:
    """Return where a row is among those selected, and which are beside it.

    Examples
    --------
    >>> place(np.array([7, 3, 5]), 3)
    {'place': 1, 'before': 7, 'after': 5}
    """
    if isinstance(rows, range):
        found = row if row in rows else None
    else:
        places = np.flatnonzero(rows == row)
        found = int(places[0]) if len(places) else None
    if found is None:
        return {"place": None, "before": None, "after": None}
    return {
        "place": found,
        "before": int(rows[found - 1]) if found else None,
        "after": int(rows[found + 1]) if found + 1 < len(rows) else None,
    }
