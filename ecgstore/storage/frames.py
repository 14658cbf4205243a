"""Make data frames of a store's tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.errors import SchemaError
from ecgstore.record import lead_mask, lead_rows
from ecgstore.storage.format import schema
from ecgstore.storage.tables import Tables


def records_frame(tables: Tables) -> pd.DataFrame:
    """Return the metadata and the fold of every record, indexed by record_id."""
    columns: dict[str, Any] = {
        name: _column(tables, path)
        if (path := f"{schema.RECORDS}/{name}") in tables
        # A store of version 1 has the twelve leads of the files, from their beginning.
        else (0.0 if name == schema.START else "")
        for name in (*schema.RECORD_TEXTS, *schema.RECORD_NUMBERS)
    }
    for path in tables:
        group, _, name = path.partition("/")
        if group == schema.RECORDS and path != schema.SAME_ECG:
            columns.setdefault(name, _column(tables, path))
    columns["fold"] = _column(tables, schema.FOLDS)
    columns["patient_known"] = columns["patient_id"] != ""
    return pd.DataFrame(columns).set_index("record_id")


def missing_leads(tables: Tables, leads: Sequence[str]) -> BoolArray | None:
    """Return which leads of a store each record lacks; None if none does.

    The shape is (n_records, n_leads).

    Raises
    ------
    SchemaError
        If the column is damaged.
    """
    path = f"{schema.RECORDS}/missing_leads"
    if path not in tables or not tables[path].any():
        return None
    texts, numbers = np.unique(_column(tables, path), return_inverse=True)
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
    if ((rows < 0) | (rows >= len(rows))).any():
        raise SchemaError(
            f"{tables.path}: /{schema.SAME_ECG} is damaged, it names rows that do not "
            "exist; build the store again or restore it from a copy"
        )
    return rows


def quality_frame(
    tables: Tables, index: pd.Index, leads: Sequence[str]
) -> pd.DataFrame:
    """Return the quality of every record; a per-lead quantity has a column per lead."""
    columns: dict[str, NDArray[Any]] = {}
    for dataset in schema.QUALITY_TABLE:
        values = _column(tables, f"{schema.QUALITY}/{dataset.name}")
        if dataset.per_lead:
            for number, lead in enumerate(leads):
                columns[f"{dataset.name}_{lead}"] = values[:, number]
        else:
            columns[dataset.name] = values
    return pd.DataFrame(columns, index=index)


def quarantine_frame(tables: Tables) -> pd.DataFrame:
    """Return path, name and reason of every selected record that was left out."""
    return pd.DataFrame(
        {
            name: _column(tables, f"{schema.QUARANTINE}/{name}")
            for name in schema.QUARANTINE_TEXTS
        }
    )


def _column(tables: Tables, name: str) -> NDArray[Any]:
    """Return a table, with texts as Python strings; pandas copies the values."""
    values = tables[name]
    if values.dtype.kind != "S":
        return values
    try:
        return np.array([value.decode() for value in values.tolist()], object)
    except UnicodeDecodeError as error:
        raise SchemaError(
            f"{tables.path}: /{name} is damaged, it is not UTF-8; build the store "
            "again or restore it from a copy"
        ) from error
