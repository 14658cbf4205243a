"""Columns of a store by name, read when asked for."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.distinct_texts import distinct
from ecgstore.storage.byte_texts import decoded, repeats
from ecgstore.storage.deep_features.attached import AttachedFeatures
from ecgstore.storage.deep_features.names import column_names
from ecgstore.storage.format import schema
from ecgstore.storage.review_file import COLUMNS as OF_REVIEW, Review
from ecgstore.storage.tables import Tables

RECORD_ID: Final = "record_id"
PATIENT_KNOWN: Final = "patient_known"

_NOT_STORED: Final = {schema.START: 0.0}
"""Values of columns that a store of version 1 has not; texts are empty there.

It has the twelve leads of the files, from their beginning.
"""


class _Place(NamedTuple):
    """A table, and the column of it, where it has several."""

    path: str
    number: int | None = None


class Columns:
    """The columns of a store by name: of records, features, quality and a label round.

    A column of numbers is a view of the mapped file. A column of texts is decoded when
    it is first read, and kept. So what is not asked for costs nothing, whatever the
    size of the store.

    Parameters
    ----------
    tables : Tables
        The tables of the store.
    leads, feature_names : sequence of str
        Names of its leads and of its handcrafted features.
    attached : AttachedFeatures
        The deep features that are attached to it, now or later.
    review : Review
        The decisions of a label round, if there are some.
    """

    def __init__(
        self,
        tables: Tables,
        leads: Sequence[str],
        feature_names: Sequence[str],
        attached: AttachedFeatures,
        review: Review,
    ) -> None:
        self._tables = tables
        self._leads = leads
        self._feature_names = feature_names
        self._attached = attached
        self._review = review
        self._texts: dict[str, NDArray[np.object_]] = {}

    def __iter__(self) -> Iterator[str]:
        """Yield every name: of records, features, deep features, quality, decisions."""
        yield from dict.fromkeys(
            (
                *self.of_records,
                *self._feature_names,
                *self._of_attached,
                *self.quality,
                *self.review,
            )
        )

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._of_attached or name in self.review

    @cached_property
    def of_records(self) -> tuple[str, ...]:
        """Names of the columns of records, `record_id` first."""
        of_tables = (
            name
            for group, _, name in (path.partition("/") for path in self._tables)
            if group == schema.RECORDS and f"{group}/{name}" != schema.SAME_ECG
        )
        names = (*schema.RECORD_TEXTS, *schema.RECORD_NUMBERS, *of_tables)
        return (*dict.fromkeys(names), "fold", PATIENT_KNOWN)

    @cached_property
    def quality(self) -> tuple[str, ...]:
        """Names of the columns of quality, such as ``ksqi_V1``."""
        return tuple(self._places_of_quality)

    @property
    def review(self) -> tuple[str, ...]:
        """Names of the columns of a label round; empty if there is none."""
        return OF_REVIEW if self._review.is_there else ()

    @property
    def _of_attached(self) -> dict[str, tuple[str, int]]:
        """Set and number of every attached deep feature, by its name."""
        return {
            name: (features, number)
            for features, values in self._attached.features.items()
            for number, name in enumerate(column_names(features, values))
        }

    @cached_property
    def _places_of_quality(self) -> dict[str, _Place]:
        """The place of every column of quality."""
        places = {}
        for dataset in schema.QUALITY_TABLE:
            path = f"{schema.QUALITY}/{dataset.name}"
            if dataset.per_lead:
                for number, lead in enumerate(self._leads):
                    places[f"{dataset.name}_{lead}"] = _Place(path, number)
            else:
                places[dataset.name] = _Place(path)
        return places

    @cached_property
    def _places(self) -> dict[str, _Place]:
        """The place of every column; of columns of one name, that of records counts."""
        places = {**self._places_of_quality}
        for number, name in enumerate(self._feature_names):
            places[name] = _Place(schema.FEATURES, number)
        for name in self.of_records:
            places[name] = _Place(f"{schema.RECORDS}/{name}")
        places["fold"] = _Place(schema.FOLDS)
        return places

    def read(self, name: str, rows: IntArray | slice | None = None) -> NDArray[Any]:
        """Return a column, or some rows of it.

        Parameters
        ----------
        name : str
            One of the names that iterating yields.
        rows : ndarray or slice, optional
            Row numbers that exist; all rows if left out.

        Returns
        -------
        ndarray of shape (n_rows,)
            Texts as str in an array of type object. A view where that is possible, not
            to be written to.

        Raises
        ------
        KeyError
            If there is no such column.
        SchemaError
            If texts are not UTF-8.
        """
        if name not in self._places:
            if name not in self._of_attached and name in self.review:
                return self._review.column(name)[_all(rows)]
            features, number = self._of_attached[name]
            return self._attached.features[features][_all(rows), number]
        return self._read(self._places[name], rows)

    def read_quality(
        self, name: str, rows: IntArray | slice | None = None
    ) -> NDArray[Any]:
        """Return a column of quality, also where one of records has its name."""
        return self._read(self._places_of_quality[name], rows)

    def distinct_texts(self, name: str) -> tuple[NDArray[np.object_], IntArray] | None:
        """Return the distinct texts of a column, and which of them each row has.

        None if it holds no texts, or if few rows share one.
        """
        place = self._places.get(name)
        if place is None or place.path not in self._tables:
            return None
        stored = self._tables[place.path]
        if stored.dtype.kind != "S" or not repeats(stored):
            return None
        first, numbers = distinct(stored)
        return decoded(stored[first], self._where(place.path)), numbers

    def one(self, name: str, row: int) -> Any:
        """Return the value of one row; texts as str."""
        return self.read(name, np.array([row]))[0]

    def _read(self, place: _Place, rows: IntArray | slice | None) -> NDArray[Any]:
        """Return rows of a column by its place."""
        path = place.path
        if path == f"{schema.RECORDS}/{PATIENT_KNOWN}":
            patients = self._tables[f"{schema.RECORDS}/patient_id"]
            is_known: BoolArray = patients[_all(rows)] != b""
            return is_known
        if path not in self._tables:
            # pandas would make a column of these values, too.
            n_rows = len(self._tables[schema.FOLDS][_all(rows)])
            value = _NOT_STORED.get(path.rpartition("/")[2], "")
            return np.full(n_rows, value, object if value == "" else None)
        values = self._tables[path]
        if place.number is not None:
            return values[_all(rows), place.number]
        if values.dtype.kind != "S":
            return values[_all(rows)]
        if rows is None:
            return self._all_texts(path, values)
        if path in self._texts:
            return self._texts[path][rows]
        return decoded(values[rows], self._where(path))

    def _all_texts(self, path: str, values: NDArray[Any]) -> NDArray[np.object_]:
        """Return a column of texts, decoded when it is first read."""
        if path not in self._texts:
            texts = decoded(values, self._where(path))
            texts.flags.writeable = False
            self._texts[path] = texts
        return self._texts[path]

    def _where(self, path: str) -> str:
        """Return file and table, for messages."""
        return f"{self._tables.path}: /{path}"


def _all(rows: IntArray | slice | None) -> IntArray | slice:
    """Return what selects the rows, or all of them."""
    return slice(None) if rows is None else rows
