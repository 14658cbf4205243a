"""Select rows of a store by fold, source, class, or any condition."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from ecgstore.arrays import BoolArray, Float32Array, IntArray
from ecgstore.config import N_FOLDS
from ecgstore.diagnoses import ClassSet
from ecgstore.diagnoses.unknown_class import unknown_class_hint
from ecgstore.distinct_texts import distinct
from ecgstore.errors import EcgStoreError
from ecgstore.similar_names import did_you_mean
from ecgstore.storage.byte_texts import decoded
from ecgstore.storage.columns import PATIENT_KNOWN
from ecgstore.storage.counts import column_sums, text_counts
from ecgstore.storage.format import schema
from ecgstore.storage.frames import records_frame
from ecgstore.storage.notebook import counts, table
from ecgstore.storage.query import fulfils
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
        if (numbers[1:] <= numbers[:-1]).any():
            raise ValueError(
                "rows must be strictly increasing, as np.unique(rows) returns them"
            )
        self.store = store
        self._rows: IntArray | None = numbers

    @classmethod
    def of_all(cls, store: "Store") -> Self:
        """Return the selection of all rows of a store, without a list of them."""
        selection = cls(store, np.zeros(0, np.int64))
        selection._rows = None
        return selection

    @property
    def rows(self) -> IntArray:
        """Row numbers of shape (n_rows,), strictly increasing."""
        if self._rows is None:
            self._rows = np.arange(len(self.store))
        return self._rows

    def rows_at(self, indices: IntArray) -> IntArray:
        """Return the rows at some positions of the selection.

        Parameters
        ----------
        indices : ndarray of shape (n,)
            Positions from 0 to ``len(self) - 1``.

        Returns
        -------
        ndarray of shape (n,)
            A new array, which may be changed.
        """
        # The rows of all records are their positions: no need to list them.
        return indices.copy() if self._rows is None else self._rows[indices]

    def __len__(self) -> int:
        return len(self.store if self._rows is None else self._rows)

    def __repr__(self) -> str:
        return (
            f"<ecgstore.Selection: {len(self):,} of {len(self.store):,} records of "
            f"{self.store.place}>"
        )

    def _repr_html_(self) -> str:
        """Return a table, for notebooks."""
        return selection_html(self, repr(self)[1:-1])

    @property
    def records(self) -> pd.DataFrame:
        """Metadata of the records, indexed by record_id; see `Store.records`."""
        return records_frame(self.store.columns, self.rows)

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
        numbers = np.ascontiguousarray(self.rows, "<i8")
        return hashlib.sha256(numbers.data).hexdigest()

    @cached_property
    def mask_sha256(self) -> str:
        """SHA-256 of a bit for each row of the store, the first row in the highest bit.

        It identifies the rows of a store as `rows_sha256` does, in a few milliseconds
        for ten million rows: states of loaders hold it.
        """
        is_selected = np.ones(len(self.store), bool)
        if self._rows is not None:
            is_selected[:] = False
            is_selected[self._rows] = True
        return hashlib.sha256(np.packbits(is_selected).data).hexdigest()


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
            f"{rows!r} is a selection of another store than {store.place}; select "
            "from the store that is read"
        )
    try:
        return row_numbers(rows, len(store))
    except IndexError as error:
        raise IndexError(f"{store.place}: {error}") from None


def selection_html(selection: Selection, title: str) -> str:
    """Return a table of what is selected, for notebooks."""
    store, rows = selection.store, selection._rows
    some = slice(None) if rows is None else rows
    n_by_source = text_counts(store.table(f"{schema.RECORDS}/source")[some])
    n_known = int(store.columns.read(PATIENT_KNOWN, rows).sum())
    n_by_class = column_sums(store.table(schema.LABELS), rows)
    shown = {
        "records": f"{len(selection):,}",
        "sources": counts([*n_by_source], n_by_source.values()),
        "classes": counts(store.label_names, n_by_class.tolist()),
        "known patients": f"{n_known:,} records",
        "leads": ", ".join(store.leads),
        "signals": f"{store.n_samples} samples at {store.fs:g} Hz, {store.dtype}",
        "features": len(store.feature_names),
    }
    return table(shown, title)


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
        numbers = _check_known(store, "fold", folds, range(N_FOLDS))
        keep &= np.isin(store.table(schema.FOLDS), numbers)
    if sources is not None:
        keep &= _is_of_source(store, sources)
    if classes is not None:
        names = _check_known(store, "class", classes, store.label_names)
        keep &= _is_in_class(store, [store.label_names.index(name) for name in names])
    if query is not None:
        keep &= fulfils(store.columns, query, len(store), store.place)
    if rows is not None:
        is_chosen = np.zeros(len(store), bool)
        is_chosen[rows] = True
        keep &= is_chosen
    return Selection.of_all(store) if keep.all() else Selection(store, keep)


def _is_of_source(store: "Store", sources: Iterable[str]) -> BoolArray:
    """Return where the source of the records is one of some."""
    path = f"{schema.RECORDS}/source"
    stored = store.table(path)
    first, numbers = distinct(stored)
    texts = decoded(stored[first], f"{store.place}: /{path}").tolist()
    names = _check_known(store, "source", sources, sorted(texts))
    return np.array([text in names for text in texts], bool)[numbers]


def _is_in_class(store: "Store", classes: Sequence[int]) -> BoolArray:
    """Return where the records are in one of some classes, given by their columns."""
    labels = store.table(schema.LABELS)
    is_in: BoolArray = np.zeros(len(labels), bool)
    for number in classes:
        is_in |= labels[:, number] != 0
    return is_in


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
                f"{store.place}: no {noun} {value!r}; {hint(value, known)}"
                f"expected one of {', '.join(map(str, known))}"
            )
    return checked
