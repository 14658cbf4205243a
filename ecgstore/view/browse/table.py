"""Cells of the table of records."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from ecgstore.storage import Store
from ecgstore.storage.columns import RECORD_ID
from ecgstore.storage.format import schema

MOST_ROWS: Final = 500
"""Rows that are answered at a time."""


def cells(
    store: Store, rows: Iterable[int], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Return some rows of the table: number, name, classes, and cells of columns."""
    numbers = np.fromiter(rows, np.int64)
    labels = store.table(schema.LABELS)[numbers]
    read = {RECORD_ID: store.column(RECORD_ID, numbers).tolist()}
    for name in filter(None, columns):
        read[name] = store.column(name, numbers).tolist()
    return [
        {
            "row": row,
            **{name: values[k] for name, values in read.items()},
            "classes": [store.label_names[c] for c in np.flatnonzero(labels[k])],
        }
        for k, row in enumerate(numbers.tolist())
    ]
