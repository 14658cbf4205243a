"""Select rows of a store by fold, source, class, or any condition."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.config import N_FOLDS
from ecgstore.errors import EcgStoreError

if TYPE_CHECKING:
    from ecgstore.storage.store import Store


class Selection:
    """Some rows of a store, in their order; usually made by `Store.select`.

    Parameters
    ----------
    store : Store
        The store.
    rows : ndarray of shape (n_rows,)
        Row numbers, increasing, each once.

    Raises
    ------
    TypeError
        If `rows` are no whole numbers.
    ValueError
        If they are not increasing.
    IndexError
        If one of them is not in the store.
    """

    def __init__(self, store: "Store", rows: IntArray) -> None:
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise TypeError(
                f"rows are {rows.dtype} of shape {rows.shape}; expected a row of whole "
                "numbers, such as np.flatnonzero(...)"
            )
        if (np.diff(rows) <= 0).any():
            raise ValueError(
                "rows are not increasing; expected each once, in the order of the "
                "store, as np.unique(rows) returns them"
            )
        if rows.size and not 0 <= rows[0] <= rows[-1] < len(store):
            raise IndexError(
                f"{store.path}: rows {rows[0]} to {rows[-1]}; rows go from 0 to "
                f"{len(store) - 1}"
            )
        self.store = store
        self.rows: IntArray = rows.astype(np.int64, copy=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<{len(self)} of {len(self.store)} records of {self.store.path}>"

    @cached_property
    def rows_sha256(self) -> str:
        """SHA-256 of the row numbers, as little-endian 64-bit integers."""
        return hashlib.sha256(self.rows.astype("<i8").tobytes()).hexdigest()


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
        wanted = _known(store, "class", classes, store.label_names)
        columns = [store.label_names.index(name) for name in wanted]
        keep &= store.labels()[:, columns].any(axis=1)
    if query is not None:
        keep &= _fulfils(store, query)
    if rows is not None:
        keep &= np.bincount(rows, minlength=len(store)) > 0
    return Selection(store, np.flatnonzero(keep))


def _is_in(
    store: "Store", column: str, wanted: Iterable[Any], known: Sequence[Any]
) -> BoolArray:
    """Return where a column of the records has one of the wanted values."""
    values = _known(store, column, wanted, known)
    return np.asarray(store.records[column].isin(values), bool)


def _known(
    store: "Store", what: str, wanted: Iterable[Any], known: Sequence[Any]
) -> list[Any]:
    """Return the wanted values, all of them among those the store knows."""
    if isinstance(wanted, str | int):
        raise TypeError(f"{wanted!r} is one {what}; expected a list: [{wanted!r}]")
    values = list(wanted)
    for value in values:
        if value not in known:
            raise EcgStoreError(
                f"{store.path}: no {what} {value!r}; expected one of "
                + ", ".join(map(str, known))
            )
    return values


def _fulfils(store: "Store", query: str) -> BoolArray:
    """Return where a condition over all columns holds."""
    # Deep features are many: they are copied for a condition on them only.
    attached = any(name in query for name in store.attached)
    table = pd.concat(
        [
            store.records.reset_index(),
            store.features(attached=attached).reset_index(drop=True),
            store.quality.reset_index(drop=True),
        ],
        axis=1,
    )
    try:
        result = np.asarray(table.eval(query, engine="python"))
    except Exception as error:  # pandas raises whatever its parser meets
        raise EcgStoreError(
            f"{store.path}: query {query!r} failed ({error}); expected an expression "
            f"over columns such as {', '.join(table.columns[:9])}"
        ) from error
    if result.shape != (len(store),) or result.dtype != bool:
        raise EcgStoreError(
            f"{store.path}: query {query!r} is not a condition; expected one that is "
            "true or false for every record, such as: age < 40"
        )
    return result
