"""Read the records of a store: select rows, read signals, labels, features, marks."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, Float32Array, Int16Array, IntArray
from ecgstore.diagnoses import ClassSet, class_set, class_weights
from ecgstore.distinct_texts import distinct
from ecgstore.errors import EcgStoreError, RecordNotFoundError, short_repr
from ecgstore.similar_names import did_you_mean
from ecgstore.splits import group_records
from ecgstore.storage.byte_texts import decoded
from ecgstore.storage.columns import RECORD_ID, Columns
from ecgstore.storage.format import schema
from ecgstore.storage.frames import (
    features_frame,
    missing_leads,
    quality_frame,
    quarantine_frame,
    records_frame,
    same_ecg,
)
from ecgstore.storage.read_signals import check_signal, read_signals
from ecgstore.storage.record_names import RecordNames
from ecgstore.storage.review_file import Review
from ecgstore.storage.row_numbers import Rows
from ecgstore.storage.selection import Selection, rows_of, select, selection_html
from ecgstore.storage.store_file import StoreFile
from ecgstore.storage.stored_record import StoredRecord

if TYPE_CHECKING:
    from ecgstore.pipes.batch import Transform
    from ecgstore.pipes.dataset import StoreDataset

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Store(StoreFile):
    """A finished store, opened for reading.

    Everything is read from a memory map of the file, when it is asked for: opening and
    selecting read no more than they need, whatever the number of records. Data frames
    are made at their first use. A store can be used from several threads and after
    `fork`. It is pickled as its path, its fingerprint and the paths of its attached
    deep features; when it is unpickled or copied, another store of the same name is
    refused.

    The file must not be changed in place while it is open. That is noticed before the
    next read, by its size, the time of its last change and its fingerprint.

    Parameters
    ----------
    path : str or Path
        The HDF5 file made by a build.
    verify : {"off", "first-touch"}
        ``"first-touch"`` compares every row of the signals with its checksum the first
        time that any part of it is read by this process, be it by a method of the
        store, a loader or a dataset; a damaged row is a `SchemaError`. Of windows and
        single leads, the whole row is read the first time.
    labels : {"beside", "built"}
        Whether labels in a file beside the store, written by ``ecgstore label``,
        replace those that it was built with.
    cache : str or Path, optional
        Folder in which is kept what is fetched from URLs, by default that of
        ``$ECGSTORE_CACHE``. None keeps nothing on a disk: the rows that were read last
        stay in memory, up to 128 MB of them (on Linux only).
    review : str or Path, optional
        File of the decisions of a label round, which are the columns `review` and
        `review_comment`; by default the one beside the store, such as
        ``challenge.review.csv``, or in the current folder for a store at a URL.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If the file is not a finished ecgstore file of a known version.
    """

    _columns_of_tables: Columns | None = None
    _review: Review | None = None

    def close(self) -> None:
        """Close the memory map; reading from the store afterwards is an error.

        Attached deep features are closed too. Data frames that were made before, and
        arrays returned by `table`, `column` or `attached`, can still be used.
        """
        super().close()
        self._columns_of_tables = self._review = None
        self.__dict__.pop("_names", None)  # a view of the map

    # -- records ------------------------------------------------------------

    def __repr__(self) -> str:
        return (
            f"<ecgstore.Store {self.place}: {len(self):,} records of "
            f"{self.n_leads} leads, {self.config.duration_s:g} s at {self.fs:g} Hz, "
            f"{len(self.label_names)} classes, {len(self.feature_names)} features>"
        )

    def _repr_html_(self) -> str:
        """Return a table, for notebooks."""
        return selection_html(Selection.of_all(self), repr(self)[1:-1])

    def __iter__(self) -> Iterator[str]:
        """Yield every record's name, ``source/name`` where two sources share it."""
        return iter(self._names)

    def __contains__(self, record_id: object) -> bool:
        return bool(self._names.rows(str(record_id)))

    def row(self, record_id: str) -> int:
        """Return the row of a record.

        Parameters
        ----------
        record_id : str
            Name of the record, or ``source/name`` where two sources share a name.

        Raises
        ------
        RecordNotFoundError
            If no record, or more than one, has this name.
        TypeError
            If `record_id` is not a str.
        """
        if not isinstance(record_id, str):
            raise TypeError(
                f"{self.place}: got {short_repr(record_id)} instead of a record's "
                f"name; expected a str such as {self._example()!r}: list(store) "
                "returns the names, store.signals([row]) reads by row number, and "
                "store.as_dataset() makes a dataset for DataLoader"
            )
        rows = self._names.rows(record_id)
        if len(rows) == 1:
            return rows[0]
        problem = "several records are named" if rows else "no record"
        raise RecordNotFoundError(
            f"{self.place}: {problem} {record_id!r}; {self._hint(record_id)}"
        )

    def _hint(self, record_id: str) -> str:
        """Return why a record is not in the store, or which name may be meant."""
        quarantine = self.quarantine
        details = quarantine["detail"][quarantine["record_id"] == record_id]
        if record_id not in self and len(details):
            return f"it was left out: {details.iloc[0]}"
        return self._names.hint(record_id)

    def _example(self) -> str:
        """Return the name of a record."""
        return self._names.name(0) if len(self) else "A0001"

    @cached_property
    def _names(self) -> RecordNames:
        """The names of all records."""
        path = f"{schema.RECORDS}/{RECORD_ID}"
        sources = self.table(f"{schema.RECORDS}/source")
        return RecordNames(self.table(path), sources, f"{self.place}: /{path}")

    def __getitem__(self, record_id: str) -> StoredRecord:
        """Return a record by name, without padding, after a check of its checksum."""
        row = self.row(record_id)
        checksum = int(self.table(schema.CHECKSUMS)[row])
        columns = self.columns
        record = {name: columns.one(name, row) for name in columns.of_records}
        check_signal(self.path, self.signal_rows, row, record[RECORD_ID], checksum)
        padding = int(columns.read_quality(schema.PAD_LENGTH)[row])
        r_peaks = self.r_peaks([row])[0]
        n_beats = int((r_peaks >= 0).sum())
        labels = self.labels(rows=[row], dtype=np.bool_)[0]
        features = self.table(schema.FEATURES)[row].tolist()
        return StoredRecord(
            record_id=record[RECORD_ID],
            source=record["source"],
            patient_id=record["patient_id"],
            row=row,
            fold=int(record["fold"]),
            age=float(record["age"]),
            sex=record["sex"],
            dx=_names(record["dx"]),
            leads=self.leads,
            derived_leads=_names(record["derived_leads"]),
            missing_leads=_names(record["missing_leads"]),
            signal=self.signals([row])[0, :, : self.n_samples - padding],
            fs=self.config.fs,
            labels=dict(zip(self.label_names, labels.tolist(), strict=True)),
            features=dict(zip(self.feature_names, features, strict=True)),
            r_peaks=r_peaks[:n_beats],
            fiducials=self.fiducials([row])[0, :, :n_beats],
            targets=self._targets_of(row),
        )

    def _targets_of(self, row: int) -> dict[str, float]:
        """Return the targets of one record by name."""
        if not self.target_names:
            return {}
        values = self.targets([row])[0].tolist()
        return dict(zip(self.target_names, values, strict=True))

    @cached_property
    def records(self) -> pd.DataFrame:
        """Metadata of every record, indexed by record_id, with its fold.

        `patient_id` is empty where `patient_known` is False: split by `groups`. All of
        it is read at once; `column` reads a single column.
        """
        return records_frame(self.columns)

    def column(self, name: str, rows: Rows | None = None) -> NDArray[Any]:
        """Return one column of `records`, `features` or `quality`.

        Nothing else is read, which matters in a store of millions of records.

        Parameters
        ----------
        name : str
            ``"record_id"``, or the name of a column of `records`, `features`, attached
            deep features (such as ``resnet18_000``) or `quality`, or ``"review"`` or
            ``"review_comment"`` if there are decisions of a label round. Where two of
            them share a name, it is that of the first.
        rows : optional
            Row numbers, or a mask of all rows; all rows if left out.

        Returns
        -------
        ndarray of shape (n_rows,)
            Numbers as they are stored, or str in an array of type object; not
            writeable where nothing had to be copied.

        Raises
        ------
        ValueError
            If there is no such column.
        """
        columns = self.columns
        if name not in columns:
            raise ValueError(
                f"{self.place}: no column {name!r}; {did_you_mean(name, [*columns])}"
                "expected one of records, features or quality, such as "
                f"{', '.join(columns.of_records)}"
            )
        return columns.read(name, None if rows is None else rows_of(self, rows))

    @property
    def columns(self) -> Columns:
        """All columns by name, if the file was not changed; see `column`."""
        tables = self._checked_tables()
        if self._columns_of_tables is None:
            self._columns_of_tables = Columns(
                tables, self.leads, self.feature_names, self._attached, self.review
            )
        return self._columns_of_tables

    @property
    def review(self) -> Review:
        """The decisions of a label round about the records; see `Review`."""
        tables = self._checked_tables()
        if self._review is None:
            self._review = Review(
                self.review_files,
                tables,
                lambda: self._names,
                self.label_names,
                windows=self.config.windows is not None,
                expected=self._review_file is not None,
            )
        return self._review

    @cached_property
    def quality(self) -> pd.DataFrame:
        """Quality of every record, indexed by record_id.

        Per-lead quantities have a column per lead, such as ``ksqi_V1``.
        """
        return quality_frame(self.columns)

    @cached_property
    def missing_leads(self) -> BoolArray | None:
        """Which of `leads` each record lacks, (n_records, n_leads); None if none does.

        Only builds with the option ``allow_missing_leads`` store such records. Their
        signals are zero in these leads, their marks -1, and their features NaN.
        """
        return missing_leads(self._checked_tables(), self.leads)

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """Path, name and reason of every selected record that was left out."""
        return quarantine_frame(self._checked_tables())

    def groups(self, rows: Rows | None = None) -> IntArray:
        """Return a number for each record, equal for all that must stay together.

        These are the records of one patient, records with the same signal, and, in
        sources that have several records per patient but do not publish patients, all
        records of the source whose patient is unknown. Any other record of an unknown
        patient has a number of its own. Folds never separate them, and they are the
        ``groups`` of scikit-learn's splitters. Copies of an ECG at another rate or
        scale, or filtered, have one number too, but for stores of format version 1,
        which do not say which records they are.

        Parameters
        ----------
        rows : optional
            Row numbers, or a mask of all rows; all rows if left out.

        Returns
        -------
        ndarray of shape (n_rows,)
            int64. A record has the same number whatever `rows` are.
        """
        return self._groups[slice(None) if rows is None else rows_of(self, rows)]

    @cached_property
    def _groups(self) -> IntArray:
        """The group of every record, not writeable."""
        groups = group_records(
            self.table(f"{schema.RECORDS}/source"),
            self.table(f"{schema.RECORDS}/patient_id"),
            self.table(f"{schema.RECORDS}/sha256"),
            same_ecg(self.tables),
        )
        groups.flags.writeable = False
        return groups

    def class_weights(
        self,
        classes: ClassSet | str | Path | None = None,
        *,
        rows: Rows | None = None,
    ) -> Float32Array:
        """Return the weight of positives of each class, as training uses it.

        It is the ``pos_weight`` of PyTorch's ``BCEWithLogitsLoss``, as
        ``torch.from_numpy(store.class_weights(rows=train))``.

        Parameters
        ----------
        classes, rows
            As for `labels`; give the rows of the training records.

        Returns
        -------
        ndarray of shape (n_classes,)
            float32: the square root of negatives / positives, clipped to 1 to 10.
        """
        return class_weights(self.labels(classes, rows=rows, dtype=np.uint8))

    @overload
    def labels(
        self,
        classes: ClassSet | str | Path | None = None,
        *,
        rows: Rows | None = None,
    ) -> IntArray: ...

    @overload
    def labels(
        self,
        classes: ClassSet | str | Path | None = None,
        *,
        rows: Rows | None = None,
        dtype: type[_Scalar],
    ) -> NDArray[_Scalar]: ...

    def labels(
        self,
        classes: ClassSet | str | Path | None = None,
        *,
        rows: Rows | None = None,
        dtype: type[Any] = np.int64,
    ) -> NDArray[Any]:
        """Return the labels of the records.

        Parameters
        ----------
        classes : ClassSet, str or Path, optional
            Another class set than that of the build: a name, a TOML file or a
            `ClassSet`. It is applied to all diagnosis codes of every record.
        rows : optional
            Row numbers, or a mask of all rows; all rows if left out.
        dtype : type
            NumPy type of the labels. Sums, differences and products of the default are
            right; ``np.uint8``, as stored, takes an eighth of the memory.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            1 where the record is in the class.
        """
        numbers = slice(None) if rows is None else rows_of(self, rows)
        if classes is None:
            return np.array(self.table(schema.LABELS)[numbers], dtype)
        if not isinstance(classes, ClassSet):
            classes = class_set(classes)
        # Few texts are different, so each is looked up once.
        path = f"{schema.RECORDS}/dx"
        stored = self.table(path)[numbers]
        first, which = distinct(stored)
        texts = decoded(stored[first], f"{self.place}: /{path}")
        labels = classes.labels([dx.split(",") if dx else [] for dx in texts])
        return labels.astype(dtype)[which]

    def targets(self, rows: Rows | None = None) -> Float32Array:
        """Return the targets of the records, numbers such as an ejection fraction.

        Their names are in `target_names`.

        Parameters
        ----------
        rows : optional
            Row numbers, or a mask of all rows; all rows if left out.

        Returns
        -------
        ndarray of shape (n_rows, n_targets)
            float32, NaN where missing.

        Raises
        ------
        EcgStoreError
            If the store was built without targets.
        """
        if not self.target_names:
            raise EcgStoreError(
                f"{self.place}: has no targets; build it with --labels TABLE --targets "
                "COLUMNS"
            )
        numbers = slice(None) if rows is None else rows_of(self, rows)
        return np.array(self.table(schema.TARGETS)[numbers])

    def features(
        self, rows: Rows | None = None, *, attached: bool = False
    ) -> pd.DataFrame:
        """Return the handcrafted features, indexed by record_id.

        Parameters
        ----------
        rows : optional
            Row numbers, or a mask of all rows; all rows if left out.
        attached : bool
            Append the deep features of `attach`, such as ``resnet18_000``. For records
            used in the training of the model they are optimistic: see `attached_seen`.
        """
        numbers = None if rows is None else rows_of(self, rows)
        frame = self._features if numbers is None else self._features_of(numbers)
        if not (attached and self.attached):
            return frame
        of_rows = slice(None) if numbers is None else numbers
        return pd.concat([frame, *self._attached.frames(of_rows, frame.index)], axis=1)

    @cached_property
    def _features(self) -> pd.DataFrame:
        """The stored features of all records."""
        return self._features_of(None)

    def _features_of(self, rows: IntArray | None) -> pd.DataFrame:
        """Return the stored features of some rows, or of all; a copy."""
        features = self.table(schema.FEATURES)
        return features_frame(self.columns, features, rows, self.feature_names)

    # -- selecting ----------------------------------------------------------

    def select(
        self,
        *,
        folds: Iterable[int] | None = None,
        sources: Iterable[str] | None = None,
        classes: Iterable[str] | None = None,
        query: str | None = None,
        rows: Rows | None = None,
    ) -> Selection:
        """Select the rows that fulfil all conditions.

        Parameters
        ----------
        folds : iterable of int, optional
            Folds, 0 to 9.
        sources : iterable of str, optional
            Names of sources.
        classes : iterable of str, optional
            Names of classes; a record in any of them is selected.
        query : str, optional
            An expression as for `pandas.DataFrame.query` over the columns of `records`,
            `quality`, `features`, attached deep features and decisions of a label
            round, such as ``"age < 40 and sex == 'male'"``. It may use the methods of
            columns in `ecgstore.storage.conditions.METHODS`, such as ``str.contains``.
        rows : sequence of int, ndarray, slice or Selection, optional
            Row numbers to choose from, or a mask of all rows.

        Returns
        -------
        Selection

        Raises
        ------
        EcgStoreError
            If a source, class or fold is not in the store, or the query fails.
        IndexError
            If a row is not in the store.
        """
        return select(
            self,
            folds=folds,
            sources=sources,
            classes=classes,
            query=query,
            rows=None if rows is None else rows_of(self, rows),
        )

    # -- arrays -------------------------------------------------------------

    @overload
    def signals(
        self,
        rows: Rows,
        out: Float32Array | None = None,
        dtype: Literal["float32"] = "float32",
    ) -> Float32Array: ...

    @overload
    def signals(
        self, rows: Rows, out: Int16Array | None = None, *, dtype: Literal["int16"]
    ) -> Int16Array: ...

    def signals(
        self,
        rows: Rows,
        out: Any = None,
        dtype: Literal["float32", "int16"] = "float32",
    ) -> Any:
        """Read signals, padding included.

        Parameters
        ----------
        rows : sequence of int, ndarray, slice or Selection
            Row numbers in any order, which may be repeated, or a mask of all rows.
        out : ndarray of shape (n_rows, n_leads, n_samples), optional
            Array for the result: C-contiguous, of type `dtype`.
        dtype : {"float32", "int16"}
            Voltages in mV, or stored counts of `scale_factor` mV.

        Returns
        -------
        ndarray of shape (n_rows, n_leads, n_samples)
            `out` if given, else a new array.

        Raises
        ------
        StoreClosedError
            If the store was closed.
        ValueError
            If `out` has another shape or type, or the store holds no counts.
        IndexError
            If a row is not in the store.
        SchemaError
            If the store was opened with ``verify="first-touch"``, and a row is damaged.
        EcgStoreError
            If the file was changed since it was opened.
        """
        self.check_unchanged()
        signals, numbers = self.signal_rows, rows_of(self, rows)
        return read_signals(self.path, signals, numbers, out, dtype)

    def r_peaks(self, rows: Rows | None = None) -> IntArray:
        """Return the sample indices of the records' beats.

        Returns
        -------
        ndarray of shape (n_rows, max_beats)
            Increasing; -1 after the last beat.
        """
        return self._read(schema.R_PEAKS, rows)

    def fiducials(self, rows: Rows | None = None) -> IntArray:
        """Return the sample indices of the marks of every beat in every lead.

        Returns
        -------
        ndarray of shape (n_rows, n_leads, max_beats, 9)
            In the order of `ecgstore.record.MARKS`; -1 where absent.
        """
        return self._read(schema.FIDUCIALS, rows)

    def _read(self, name: str, rows: Rows | None) -> IntArray:
        """Return rows of a table of integers."""
        table = self.table(name)
        if rows is not None:
            table = table[rows_of(self, rows)]
        return table.astype(np.int64)

    def as_dataset(
        self,
        rows: Rows | None = None,
        *,
        fields: Iterable[str] = ("signals", "labels"),
        dtype: Literal["float32", "int16"] = "float32",
        leads: Iterable[str] | None = None,
        window: tuple[int, int] | None = None,
        transform: "Transform | Sequence[Transform]" = (),
    ) -> "StoreDataset":
        """Return records as a PyTorch dataset, for use with DataLoader.

        See `ecgstore.pipes.dataset.StoreDataset` for the parameters.

        Raises
        ------
        EcgStoreError
            If PyTorch is not installed.
        """
        try:
            from ecgstore.pipes.dataset import StoreDataset
        except ModuleNotFoundError as error:
            raise EcgStoreError(
                f"a dataset needs {error.name}, which is not installed; "
                'pip install "ecgstore[torch]"'
            ) from error
        return StoreDataset(
            self,
            rows,
            fields=fields,
            dtype=dtype,
            leads=leads,
            window=window,
            transform=transform,
        )


def _names(text: object) -> tuple[str, ...]:
    """Return the names in a text with commas between them."""
    return tuple(str(text).split(",")) if text else ()
