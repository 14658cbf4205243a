"""Records by filter and order, kept between the requests of the page."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import reduce
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, BytesArray, IntArray
from ecgstore.distinct_texts import distinct
from ecgstore.errors import EcgStoreError
from ecgstore.similar_names import did_you_mean
from ecgstore.storage import Store
from ecgstore.storage.byte_texts import decoded
from ecgstore.storage.conditions import read_condition
from ecgstore.storage.flags import quality_flags
from ecgstore.storage.format import schema
from ecgstore.view.browse.bins import Bins
from ecgstore.view.browse.columns import Column, columns_of
from ecgstore.view.browse.filters import Filter
from ecgstore.view.browse.groupings import Coded, Flagged, Grouping, Listed
from ecgstore.view.browse.kept import Kept
from ecgstore.view.browse.names import holding

CLASS: Final = "class"
DIAGNOSIS: Final = "diagnosis"
FLAG: Final = "quality"
"""Groupings that are no columns: a record may have several of their values."""

_STATUS: Final = schema.BEATS_STATUS

_SEARCHED: Final = ("record_id", "patient_id")

_KEPT_MB: Final = 400
"""Of masks, of orders, of groupings, of names: of those that were asked for last."""

_MOST_VALUES: Final = 100_000
"""Different values of a column by which records are grouped."""

Condition = tuple[str, str, Any]


class Browsing:
    """The records of a store, filtered and sorted; used from several threads.

    Parameters
    ----------
    store : Store
        The store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.severities: dict[str, Callable[[], NDArray[Any]]] = {}
        per_mb = 1e6 / max(len(store), 1)
        self._raising = Lock()
        self._generations: Counter[str] = Counter()
        self._columns = Kept(1)
        self._groupings = Kept(int(np.clip(_KEPT_MB * per_mb / 4, 4, 64)))
        self._bins = Kept(int(np.clip(_KEPT_MB * per_mb, 16, 64)))
        self._masks = Kept(int(np.clip(_KEPT_MB * per_mb, 16, 256)))
        self._orders = Kept(int(np.clip(_KEPT_MB * per_mb / 8, 4, 32)))
        self._selected = Kept(int(np.clip(_KEPT_MB * per_mb / 8, 4, 32)))

    # -- generations --------------------------------------------------------

    def forget(self, columns: Iterable[str]) -> None:
        """Use nothing any more that was computed of some columns: their values changed.

        What depends on a column is kept under its generation, which is read before it
        is computed. So what is being computed of old values now is not used either.
        """
        with self._raising:
            for name in columns:
                self._generations[name] += 1

    def generation(self, columns: Iterable[str]) -> int:
        """Return a number that is another one when one of some columns has changed."""
        return sum(self._stamp(columns))

    def columns_in(self, filter_: Filter) -> set[str]:
        """Return the columns that a filter depends on."""
        return {name for one in filter_.conditions() for name in _columns_in(one)}

    def _stamp(self, *columns: Iterable[str]) -> tuple[int, ...]:
        """Return the generations of columns, which is part of the keys of values."""
        return tuple(self._generations[name] for some in columns for name in some)

    # -- columns ------------------------------------------------------------

    def columns(self) -> dict[str, Column]:
        """Return every column by its name."""
        return self._columns.get(
            self._generations.total(),
            lambda: {one.name: one for one in columns_of(self.store)},
        )

    def read(self, name: str, rows: IntArray | None = None) -> NDArray[Any]:
        """Return a column, or some rows of it.

        Raises
        ------
        EcgStoreError
            If there is none of this name.
        """
        if name == _STATUS:
            return self._statuses(self.store.column(name, rows))
        try:
            return self.store.column(name, rows)
        except ValueError as error:
            raise self._unknown(name) from error

    def _unknown(self, name: str) -> EcgStoreError:
        """Return the error for a column that is not there."""
        known = [*self.columns(), CLASS, DIAGNOSIS, FLAG]
        return EcgStoreError(
            f"{self.store.place}: no column {name!r}; {did_you_mean(name, known)}"
            "expected a column of records, features or quality"
        )

    def _statuses(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return in words how far beats were found."""
        words: NDArray[np.object_] = np.full(256, "", object)
        for word, number in self.store.beats_statuses.items():
            words[number] = word
        named: NDArray[np.object_] = words[numbers]
        return named

    # -- values -------------------------------------------------------------

    def grouping(self, name: str) -> Grouping:
        """Return the records by value of a column, or of `CLASS` and the like."""
        key = name, self._stamp([name])
        return self._groupings.get(key, lambda: self._grouping(name))

    def _grouping(self, name: str) -> Grouping:
        """Compute `grouping`."""
        store = self.store
        if name == CLASS:
            labels = store.table(schema.LABELS)
            flags = [labels[:, k] for k in range(labels.shape[1])]
            return Flagged.of(store.label_names, flags, len(store))
        if name == FLAG:
            named = quality_flags(store)
            return Flagged.of([*named], [*named.values()], len(store))
        if name == DIAGNOSIS:
            lists = self._coded("dx", len(store))
            return Listed.of(lists.values, lists.codes)
        return self._coded(name, _MOST_VALUES)

    def _coded(self, name: str, most: int) -> Coded:
        """Return the records by value of a column, of which it has so many at most."""
        stored = self._stored_texts(name)
        if stored is not None:
            first, numbers = distinct(stored)
            where = f"{self.store.place}: /{schema.RECORDS}/{name}"
            _require_few(name, len(first), most)
            values: NDArray[Any] = decoded(stored[first], where)
        else:
            column = self.read(name)
            if column.dtype.kind == "O":
                first, numbers = distinct(column)
                values = column[first]
            else:
                values, numbers = np.unique(column, return_inverse=True)
        _require_few(name, len(values), most)
        order = np.argsort(values, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return Coded.of([_shown(value) for value in values[order]], rank[numbers])

    def _stored_texts(self, name: str) -> BytesArray | None:
        """Return a column of texts as bytes, from which no text is made per record."""
        path = f"{schema.RECORDS}/{name}"
        if name not in self.store.columns.of_records or path not in self.store.tables:
            return None
        stored = self.store.table(path)
        return stored if stored.dtype.kind == "S" else None

    def bins(self, name: str) -> Bins:
        """Return a column of numbers in bins."""
        key = name, self._stamp([name])
        return self._bins.get(key, lambda: Bins.of(self._numbers(name)))

    def _numbers(self, name: str) -> NDArray[Any]:
        """Return a column of numbers."""
        values = self.read(name)
        if values.dtype.kind not in "iuf":
            raise EcgStoreError(f"column {name!r} holds no numbers; filter by values")
        return values

    # -- filters ------------------------------------------------------------

    def mask(self, filter_: Filter, without: str | None = None) -> BoolArray | None:
        """Return which records a filter selects; None if it has no condition.

        Parameters
        ----------
        filter_ : Filter
            The conditions.
        without : str, optional
            A column whose condition is left out.
        """
        conditions = tuple(
            one for one in filter_.conditions() if not one[1] or one[1] != without
        )
        if not conditions:
            return None
        if len(conditions) == 1:
            return self._fulfils(conditions[0])
        key = conditions, self._stamp(*map(_columns_in, conditions))
        return self._masks.get(
            key, lambda: reduce(np.logical_and, map(self._fulfils, conditions))
        )

    def _fulfils(self, condition: Condition) -> BoolArray:
        """Return which records fulfil one condition."""
        key = condition, self._stamp(_columns_in(condition))
        return self._masks.get(key, lambda: self._computed(condition))

    def _computed(self, condition: Condition) -> BoolArray:
        """Compute `_fulfils`."""
        kind, name, value = condition
        if kind == "query":
            found = np.zeros(len(self.store), bool)
            found[self.store.select(query=value).rows] = True
            return found
        if kind == "search":
            return self._named(value)
        if kind == "in":
            return self.grouping(name).mask(self._as_shown(name, value))
        low, high = value
        numbers = self._numbers(name)
        is_high = ~np.isnan(numbers) if low is None else numbers >= low
        is_low = True if high is None else numbers < high
        return np.asarray(is_high & is_low, bool)

    def _as_shown(self, name: str, values: Iterable[str]) -> Iterable[str]:
        """Return values of a column of numbers as they are shown: 40 for 40.0."""
        if name in (CLASS, DIAGNOSIS, FLAG):
            return values
        dtype = self.read(name, np.zeros(0, np.int64)).dtype
        return [_number(one, dtype) if dtype.kind in "iuf" else one for one in values]

    def _named(self, part: str) -> BoolArray:
        """Return which records have a part in their name or their patient's."""
        found = np.zeros(len(self.store), bool)
        for name in _SEARCHED:
            found |= holding(self.store.table(f"{schema.RECORDS}/{name}"), part)
        return found

    # -- orders -------------------------------------------------------------

    def selected(
        self, filter_: Filter, sort: str = "", descending: bool = False
    ) -> IntArray | range:
        """Return the rows that a filter selects, sorted by a column.

        Equal values stay in the order of the store; missing ones are last.

        Parameters
        ----------
        filter_ : Filter
            The conditions.
        sort : str
            A column, or one of `severities`, whose highest value is then the first; the
            order of the store if empty.
        descending : bool
            Whether the highest value is the first.
        """
        conditions = filter_.conditions()
        if not sort and not descending and not conditions:
            return range(len(self.store))
        stamp = self._stamp(*map(_columns_in, conditions), [sort])

        def rows() -> IntArray:
            mask = self.mask(filter_)
            if not sort:
                found = (
                    np.arange(len(self.store)) if mask is None else np.flatnonzero(mask)
                )
                return found[::-1] if descending else found
            order = self._order(sort, descending)
            return order if mask is None else order[mask[order]]

        return self._selected.get((conditions, sort, descending, stamp), rows)

    def _order(self, sort: str, descending: bool) -> IntArray:
        """Return all rows, sorted."""
        return self._orders.get(
            (sort, descending, self._stamp([sort])),
            lambda: self._sorted(sort, descending),
        )

    def _sorted(self, sort: str, descending: bool) -> IntArray:
        """Compute `_order`."""
        if sort in self.severities:
            return _argsort(self.severities[sort](), not descending)
        if sort in (CLASS, DIAGNOSIS, FLAG):
            raise EcgStoreError(f"records are not sorted by {sort}; give a column")
        stored = self._stored_texts(sort)
        if stored is not None:  # as bytes, texts are in the same order
            return _argsort(stored, descending)
        values = self.read(sort)
        is_number = values.dtype.kind in "iufb"
        return _argsort(
            values if is_number else self._coded(sort, len(values)).codes, descending
        )


def _columns_in(condition: Condition) -> Iterable[str]:
    """Return the columns that a condition depends on, and that may change."""
    kind, name, value = condition
    if kind != "query":
        return [name]
    try:
        return sorted({*read_condition(value).names.values()})
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []  # it is no condition: it fails where it is to be evaluated


def _argsort(keys: NDArray[Any], descending: bool) -> IntArray:
    """Return the order of values; equal ones stay in theirs, NaN is last."""
    if not descending:
        return np.argsort(keys, kind="stable")
    if keys.dtype.kind == "f":
        return np.argsort(-keys, kind="stable")
    order: IntArray = len(keys) - 1 - np.argsort(keys[::-1], kind="stable")[::-1]
    return order


def _require_few(name: str, n_values: int, most: int) -> None:
    """Refuse a column that has too many values for groups."""
    if n_values > most:
        raise EcgStoreError(
            f"column {name!r} has {n_values:,} different values, more than {most:,}; "
            "search, or give a range or a query"
        )


def _shown(value: Any) -> str:
    """Return a value as the page names it: of numbers, the shortest text.

    Examples
    --------
    >>> [_shown(value) for value in (np.float32(40), np.float32(0.1), 0.1 + 0.2, True)]
    ['40', '0.1', '0.30000000000000004', 'yes']
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    text = str(value)
    return text.removesuffix(".0") if isinstance(value, float | np.floating) else text


def _number(text: str, dtype: np.dtype[Any]) -> str:
    """Return a number that is a text as the page names it; other texts as they are."""
    try:
        number = float(text)
    except ValueError:
        return text
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return _shown(dtype.type(number))
    return str(int(number)) if number.is_integer() else text
