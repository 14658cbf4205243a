"""Select rows of a store by fold, source, class, or any condition."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecgstore.arrays import BoolArray, Float32Array, IntArray
from ecgstore.config import N_FOLDS
from ecgstore.diagnoses import ClassSet
from ecgstore.diagnoses.unknown_class import unknown_class_hint
from ecgstore.errors import EcgStoreError
from ecgstore.similar_names import did_you_mean
from ecgstore.storage.notebook import counts, table
from ecgstore.storage.row_numbers import Rows, row_numbers

if TYPE_CHECKING:
    from ecgstore.storage.store import Store


class Selection:
    """Rows of a store, in the order of the store; usually made by `Store.select`.

    Parameters
    ----------
    store : Store
        The store.
    rows : ndarray of shape (n_rows,)
        Row numbers, strictly increasing, or a mask of the rows of the store.

    Raises
    ------
    TypeError
        If `rows` is not a 1-D array of integers or booleans.
    ValueError
        If the row numbers are not strictly increasing.
    IndexError
        If a row is not in the store.
    """

    def __init__(self, store: "Store", rows: Rows) -> None:
        numbers = rows_of(store, rows)
        if (np.diff(numbers) <= 0).any():
            raise ValueError(
                "rows must be strictly increasing, as np.unique(rows) returns them"
            )
        self.store = store
        self.rows: IntArray = numbers

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return (
            f"<ecgstore.Selection: {len(self):,} of {len(self.store):,} records of "
            f"{self.store.path}>"
        )

    def _repr_html_(self) -> str:
        """Return a table, for notebooks."""
        return selection_html(self, repr(self)[1:-1])

    @property
    def records(self) -> pd.DataFrame:
        """Metadata of the records, indexed by record_id; see `Store.records`."""
        return self.store.records.iloc[self.rows]

    def features(self, *, attached: bool = False) -> pd.DataFrame:
        """Return the features of the records; see `Store.features`."""
        return self.store.features(self.rows, attached=attached)

    def labels(self, classes: ClassSet | str | Path | None = None) -> IntArray:
        """Return the labels of the records; see `Store.labels`."""
        return self.store.labels(classes, rows=self.rows)

    def targets(self) -> Float32Array:
        """Return the targets of the records; see `Store.targets`."""
        return self.store.targets(self.rows)

    def groups(self) -> IntArray:
        """Return which records must stay together; see `Store.groups`."""
        return self.store.groups(self.rows)

    def class_weights(
        self, classes: ClassSet | str | Path | None = None
    ) -> Float32Array:
        """Return the weight of positives of each class; see `Store.class_weights`."""
        return self.store.class_weights(classes, rows=self.rows)

    @cached_property
    def rows_sha256(self) -> str:
        """SHA-256 of the row numbers, as little-endian 64-bit integers."""
        return hashlib.sha256(self.rows.astype("<i8").tobytes()).hexdigest()


def rows_of(store: "Store", rows: Rows) -> IntArray:
    """Return rows of a store as row numbers; see `row_numbers`.

    Raises
    ------
    ValueError
        If they are a selection of another store.
    TypeError
        If they are not integers or a mask in one dimension.
    IndexError
        If a row is not in the store, or a mask has another length.
    """
    if (
        isinstance(rows, Selection)
        and rows.store is not store
        and rows.store.fingerprint != store.fingerprint
    ):
        raise ValueError(
            f"{rows!r} is a selection of another store than {store.path}; select "
            "from the store that is read"
        )
    try:
        return row_numbers(rows, len(store))
    except IndexError as error:
        raise IndexError(f"{store.path}: {error}") from None


def selection_html(selection: Selection, title: str) -> str:
    """Return a table of what is selected, for notebooks."""
    store, records = selection.store, selection.records
    labels = store.labels(rows=selection.rows, dtype=np.uint8)
    n_by_source = records["source"].value_counts()
    rows = {
        "records": f"{len(selection):,}",
        "sources": counts([*n_by_source.index], n_by_source.tolist()),
        "classes": counts(store.label_names, labels.sum(axis=0).tolist()),
        "known patients": f"{int(records['patient_known'].sum()):,} records",
        "leads": ", ".join(store.leads),
        "signals": f"{store.n_samples} samples at {store.fs:g} Hz, {store.dtype}",
        "features": len(store.feature_names),
    }
    return table(rows, title)


def select(
    store: "Store",
    *,
    folds: Iterable[int] | None,
    sources: Iterable[str] | None,
    classes: Iterable[str] | None,
    query: str | None,
    rows: IntArray | None,
) -> Selection:
    """Select the rows that fulfil every condition; see `Store.select`."""
    keep: BoolArray = np.ones(len(store), bool)
    if folds is not None:
        keep &= _is_in(store, "fold", folds, range(N_FOLDS))
    if sources is not None:
        keep &= _is_in(store, "source", sources, sorted(set(store.records["source"])))
    if classes is not None:
        names = _check_known(store, "class", classes, store.label_names)
        columns = [store.label_names.index(name) for name in names]
        keep &= store.labels(dtype=np.bool_)[:, columns].any(axis=1)
    if query is not None:
        keep &= _fulfils(store, query)
    if rows is not None:
        keep &= np.bincount(rows, minlength=len(store)) > 0
    return Selection(store, np.flatnonzero(keep))


def _is_in(
    store: "Store", column: str, values: Iterable[Any], known: Sequence[Any]
) -> BoolArray:
    """Return where a column of the records has one of some values."""
    checked = _check_known(store, column, values, known)
    return np.asarray(store.records[column].isin(checked), bool)


def _check_known(
    store: "Store", noun: str, values: Iterable[Any], known: Sequence[Any]
) -> list[Any]:
    """Return values as a list, if the store has every one of them."""
    if isinstance(values, str | bytes | Integral):
        raise TypeError(f"{values!r} is one {noun}; expected a list: [{values!r}]")
    checked = list(values)
    hint = unknown_class_hint if noun == "class" else did_you_mean
    for value in checked:
        if value not in known:
            raise EcgStoreError(
                f"{store.path}: no {noun} {value!r}; {hint(value, known)}"
                f"expected one of {', '.join(map(str, known))}"
            )
    return checked


def _fulfils(store: "Store", query: str) -> BoolArray:
    """Return where a condition over all columns holds."""
    # There may be thousands of deep features: copy them only if the query names one.
    attached = any(name in query for name in store.attached)
    columns = pd.concat(
        [
            store.records.reset_index(),
            store.features(attached=attached).reset_index(drop=True),
            store.quality.reset_index(drop=True),
        ],
        axis=1,
    )
    try:
        result = np.asarray(columns.eval(query, engine="python"))
    except Exception as error:  # pandas raises many types of errors here
        raise EcgStoreError(
            f"{store.path}: query {query!r} failed ({error}); expected an expression "
            f"over columns such as {', '.join(columns.columns[:9])}"
        ) from error
    if result.shape != (len(store),) or result.dtype != bool:
        raise EcgStoreError(
            f"{store.path}: query {query!r} is not a condition; expected one that is "
            "true or false for every record, such as: age < 40"
        )
    return result
