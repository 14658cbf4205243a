"""Make data frames of a store's columns, and masks of its tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, Float32Array, IntArray
from ecgstore.distinct_texts import distinct
from ecgstore.errors import SchemaError
from ecgstore.record import lead_mask, lead_rows
from ecgstore.storage.byte_texts import decoded
from ecgstore.storage.columns import RECORD_ID, Columns
from ecgstore.storage.format import schema
from ecgstore.storage.tables import Tables


def records_frame(columns: Columns, rows: IntArray | None = None) -> pd.DataFrame:
    """Return the metadata and the fold of every record, or of some rows."""
    names = (name for name in columns.of_records if name != RECORD_ID)
    return pd.DataFrame(
        {name: columns.read(name, rows) for name in names}, record_index(columns, rows)
    )


def features_frame(
    columns: Columns,
    features: Float32Array,
    rows: IntArray | None,
    names: Sequence[str],
) -> pd.DataFrame:
    """Return features of every record, or of some rows; a copy.

    `features` of shape (n_records, n_features) have one of the names each.
    """
    values = np.array(features) if rows is None else features[rows]
    return pd.DataFrame(values, record_index(columns, rows), list(names))


def record_index(
    columns: Columns, rows: IntArray | slice | None = None
) -> "pd.Index[str]":
    """Return the names of all records, or of some rows, as the index of a frame."""
    names: pd.Index[str] = pd.Index(columns.read(RECORD_ID, rows), name=RECORD_ID)
    return names


def missing_leads(tables: Tables, leads: Sequence[str]) -> BoolArray | None:
    """Return which leads of a store each record lacks; None if none does.

    The shape is (n_records, n_leads).

    Raises
    ------
    SchemaError
        If the column is damaged.
    """
    path = f"{schema.RECORDS}/missing_leads"
    if path not in tables:
        return None
    # As bytes, which takes a tenth of the time of comparing texts.
    if not np.ascontiguousarray(tables[path]).view(np.uint8).any():
        return None
    first, numbers = distinct(tables[path])
    texts = decoded(tables[path][first], f"{tables.path}: /{path}")
    masks = np.array([lead_mask(text.split(",")) for text in texts.tolist()])
    return np.asarray(masks[:, lead_rows(leads)][numbers])


def same_ecg(tables: Tables) -> IntArray | None:
    """Return for each row one that holds the same ECG; None where it is not stored.

    Raises
    ------
    SchemaError
        If a number is not that of a row.
    """
    if schema.SAME_ECG not in tables:
        return None
    rows = tables[schema.SAME_ECG]
    # As unsigned numbers, negative ones are the largest.
    if rows.size and rows.view(np.uint64).max() >= len(rows):
        raise SchemaError(
            f"{tables.path}: /{schema.SAME_ECG} is damaged, it names rows that do not "
            "exist; build the store again or restore it from a copy"
        )
    return rows


def quality_frame(columns: Columns) -> pd.DataFrame:
    """Return the quality of every record; a per-lead quantity has a column per lead."""
    return pd.DataFrame(
        {name: columns.read_quality(name) for name in columns.quality},
        record_index(columns),
    )


def quarantine_frame(tables: Tables) -> pd.DataFrame:
    """Return path, name and reason of every selected record that was left out."""
    return pd.DataFrame(
        {
            name: _texts(tables, f"{schema.QUARANTINE}/{name}")
            for name in schema.QUARANTINE_TEXTS
        }
    )


def _texts(tables: Tables, path: str) -> NDArray[np.object_]:
    """Return a table of texts as Python strings."""
    return decoded(tables[path], f"{tables.path}: /{path}")
