"""Open a store: select rows, read signals, labels, features and marks."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgstore.arrays import Float32Array, Int16Array, IntArray, UInt8Array
from ecgstore.diagnoses import ClassSet, class_set
from ecgstore.errors import (
    EcgStoreError,
    RecordNotFoundError,
    SchemaError,
    StoreClosedError,
)
from ecgstore.storage.deep_features.attached import Attached, Origins
from ecgstore.storage.format import schema
from ecgstore.storage.format.integrity import row_checksum
from ecgstore.storage.frames import quality_frame, quarantine_frame, records_frame
from ecgstore.storage.names import RecordNames
from ecgstore.storage.opening import open_file
from ecgstore.storage.row_numbers import Rows, row_numbers
from ecgstore.storage.rows import SignalRows
from ecgstore.storage.selection import Selection, select
from ecgstore.storage.stored_record import StoredRecord
from ecgstore.storage.tables import Tables

if TYPE_CHECKING:
    from ecgstore.pipes.dataset import StoreDataset


class Store:
    """A finished store, opened for reading.

    Everything is read from a memory map of the file, data frames when they are first
    asked for. A store can be used from several threads, survives `fork`, and is pickled
    as its path and those of the deep features that are attached to it.

    Parameters
    ----------
    path : str or Path
        The HDF5 file that a build made.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If the file is not a finished ecgstore file of a known version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        opened = open_file(self.path)
        self.config = opened.config
        self.software = opened.software
        self.fingerprint = opened.fingerprint
        self.beats_statuses = opened.beats_statuses
        self.label_names = opened.label_names
        self.feature_names = opened.feature_names
        self.feature_units = opened.feature_units
        self.scale_factor = opened.signals.scale
        self.n_leads = opened.signals.n_leads
        self.n_samples = opened.signals.n_samples
        self._n_rows = len(opened.signals.offsets)
        self._dtype = opened.signals.dtype
        self._signals: SignalRows | None = opened.signals
        self._tables: Tables | None = opened.tables
        self._attached = Attached()

    @property
    def dtype(self) -> str:
        """Type of the stored signals: ``"int16"`` or ``"float32"``."""
        return str(self._dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened_again, (self.path, self._attached.origins)

    def __repr__(self) -> str:
        return f"<ecgstore.Store {self.path}: {len(self)} records>"

    def close(self) -> None:
        """Give the memory map back; reading from the store afterwards is an error.

        Attached deep features are closed too. Data frames that were asked for before,
        and arrays that `table` or `attached` returned, can still be used.
        """
        if self._signals is not None:
            self._signals.file.close()
        self._signals = self._tables = None
        self._attached = Attached()

    @property
    def signal_rows(self) -> SignalRows:
        """The rows of the signals in the mapped file, for loaders.

        Raises
        ------
        StoreClosedError
            If the store was closed.
        """
        if self._signals is None:
            raise self._closed()
        return self._signals

    def _open_tables(self) -> Tables:
        """Return the tables, unless the store was closed."""
        if self._tables is None:
            raise self._closed()
        return self._tables

    def _closed(self) -> StoreClosedError:
        """Return the error for reading from a closed store."""
        return StoreClosedError(
            f"{self.path}: the store is closed; open it again to read from it"
        )

    # -- records ------------------------------------------------------------

    def __len__(self) -> int:
        return self._n_rows

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
            If no record, or more than one, has that name.
        TypeError
            If it is no name.
        """
        if not isinstance(record_id, str):
            raise TypeError(
                f"{self.path}: got {record_id!r} instead of a record's name; expected "
                f"a text such as {next(iter(self), 'A0001')!r}: the names are "
                "list(store), store.signals([row]) reads by row number, and "
                "store.as_dataset() goes into a DataLoader"
            )
        rows = self._names.rows(record_id)
        if len(rows) == 1:
            return rows[0]
        if rows:
            choices = ", ".join(self._names.full(row) for row in rows)
            raise RecordNotFoundError(
                f"{self.path}: several records are named {record_id!r}; say one of "
                f"{choices}"
            )
        quarantine = self.quarantine
        left_out = quarantine["detail"][quarantine["record_id"] == record_id]
        hint = (
            f"it was left out: {left_out.iloc[0]}"
            if len(left_out)
            else self._names.hint(record_id)
        )
        raise RecordNotFoundError(f"{self.path}: no record {record_id!r}; {hint}")

    @cached_property
    def _names(self) -> RecordNames:
        """The names of all records."""
        return RecordNames(
            self.records.index.to_list(), self.records["source"].to_list()
        )

    def __getitem__(self, record_id: str) -> StoredRecord:
        """Return one record by its name, without padding, its checksum compared."""
        row = self.row(record_id)
        self._check_row(row)
        record = self.records.iloc[row]
        padding = int(self.quality[schema.PAD_LENGTH].iloc[row])
        r_peaks = self.r_peaks([row])[0]
        n_beats = int((r_peaks >= 0).sum())
        labels = self.labels(rows=[row])[0]
        return StoredRecord(
            record_id=str(self.records.index[row]),
            source=str(record["source"]),
            patient_id=str(record["patient_id"]),
            row=row,
            signal=self.signals([row])[0, :, : self.n_samples - padding],
            fs=self.config.fs,
            labels=dict(zip(self.label_names, (labels > 0).tolist(), strict=True)),
            features={
                str(name): float(value)
                for name, value in self.features().iloc[row].items()
            },
            r_peaks=r_peaks[:n_beats],
            fiducials=self.fiducials([row])[0, :, :n_beats],
        )

    def _check_row(self, row: int) -> None:
        """Refuse a row of signals that is not what was written."""
        stored = np.empty((1, self.n_leads, self.n_samples), self._dtype)
        self.signal_rows.gather(np.array([row]), stored)()
        expected = int(self.table(schema.CHECKSUMS)[row])
        found = row_checksum(stored.tobytes())
        if found != expected:
            raise SchemaError(
                f"{self.path}: row {row} ({self.records.index[row]}) is damaged, its "
                f"CRC-32C is {found:08x} instead of {expected:08x}; `ecgstore verify` "
                "lists all damage"
            )

    @cached_property
    def records(self) -> pd.DataFrame:
        """Metadata of every record, indexed by record_id, with its fold."""
        return records_frame(self._open_tables())

    @cached_property
    def quality(self) -> pd.DataFrame:
        """Quality of every record, indexed by record_id.

        Per-lead quantities have a column per lead, such as ``ksqi_V1``.
        """
        return quality_frame(self._open_tables(), self.records.index)

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """Every selected record that was left out, and why."""
        return quarantine_frame(self._open_tables())

    def labels(
        self,
        classes: ClassSet | str | Path | None = None,
        *,
        rows: Rows | None = None,
    ) -> UInt8Array:
        """Return which classes every record is in.

        Parameters
        ----------
        classes : ClassSet, str or Path, optional
            Another class set than the store was built with: a preset, a TOML file or
            a `ClassSet`, applied to all the codes of every record.
        rows : optional
            Row numbers; all rows if left out.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            1 where the record is in the class.
        """
        some = slice(None) if rows is None else self._row_numbers(rows)
        if classes is None:
            labels: UInt8Array = np.array(self.table(schema.LABELS)[some])
            return labels
        chosen = classes if isinstance(classes, ClassSet) else class_set(classes)
        codes = self.records["dx"].to_numpy()[some]
        return chosen.labels([each.split(",") if each else [] for each in codes])

    def features(
        self, rows: Rows | None = None, *, attached: bool = False
    ) -> pd.DataFrame:
        """Return the handcrafted features, indexed by record_id.

        Parameters
        ----------
        rows : optional
            Row numbers; all rows if left out.
        attached : bool
            Append the deep features of `attach`, such as ``resnet18_000``. They look
            better than they are in records that the model has seen: see
            `attached_seen`.
        """
        frame = self._features
        some = slice(None) if rows is None else self._row_numbers(rows)
        if rows is not None:
            frame = frame.iloc[some]
        if not (attached and self.attached):
            return frame
        return pd.concat([frame, *self._attached.frames(some, frame.index)], axis=1)

    @cached_property
    def _features(self) -> pd.DataFrame:
        """The stored features."""
        return pd.DataFrame(
            self.table(schema.FEATURES).copy(),
            index=self.records.index,
            columns=list(self.feature_names),
        )

    # -- deep features ------------------------------------------------------

    def attach(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        weights_sha256: str | None = None,
    ) -> str:
        """Make deep features of the records, from a file, columns of this store.

        Afterwards they are in `attached`, in ``features(attached=True)``, in queries of
        `select`, and a field of loaders and datasets.

        Deep features of records that the model was trained on, or chosen by, look
        better than they are: nothing that is judged on those records may use them.
        `attached_seen` says which they are; the page docs/models.md shows how to
        compare without that leak.

        Parameters
        ----------
        path : str or Path
            What `ecgstore.models.extract` or ``ecgstore extract`` wrote.
        name : str, optional
            What to call them; the name of the model if left out, such as ``resnet18``.
        weights_sha256 : str, optional
            What `ecgstore.models.Checkpoint.weights_sha256` returns for the model that
            they must be of; if left out, any model's are taken.

        Returns
        -------
        str
            Their name.

        Raises
        ------
        EcgStoreError
            If there is no such file, or features of that name are attached already.
        SchemaError
            If they are of another store or other weights, or damaged.
        ValueError
            If the name is that of something else in the store.
        """
        self._open_tables()
        return self._attached.add(self, Path(path), name, weights_sha256)

    @property
    def attached(self) -> Mapping[str, Float32Array]:
        """Deep features by their names, each of shape (n_records, n_features).

        They are views of mapped files, not writeable. See `attach`.
        """
        self._open_tables()
        return self._attached.features

    @property
    def attached_seen(self) -> Mapping[str, UInt8Array]:
        """Which records the models of `attached` have seen, by the features' names.

        For each record 0 if its patient was not seen, 1 if the epoch was chosen by the
        patient's records or signals, 2 if the model was trained on them, 3 if the
        checkpoint does not say. In another store than that of the training, patients
        are recognised by records with the same signal only.

        Views of mapped files, uint8, of shape (n_records,), not writeable. Rows that
        may be judged on: ``np.flatnonzero(store.attached_seen["resnet18"] == 0)``.
        """
        self._open_tables()
        return self._attached.seen

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
        """Select rows that fulfil every condition given.

        Parameters
        ----------
        folds : iterable of int, optional
            Folds, 0 to 9.
        sources : iterable of str, optional
            Names of sources.
        classes : iterable of str, optional
            Names of classes; a record in any of them is selected.
        query : str, optional
            An expression over the columns of `records`, `features`, attached ones
            included, and `quality`, as `pandas.DataFrame.query` takes it, such as
            ``"age < 40 and sex == 'male'"``.
        rows : sequence of int, ndarray, slice or Selection, optional
            Row numbers to choose from.

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
            rows=None if rows is None else self._row_numbers(rows),
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
            Row numbers, in any order, repeated if wished.
        out : ndarray of shape (n_rows, 12, n_samples), optional
            Where to put them: C-contiguous, of the type asked for.
        dtype : {"float32", "int16"}
            Voltages in mV, or the stored counts of `scale_factor` mV.

        Returns
        -------
        ndarray of shape (n_rows, 12, n_samples)
            `out` if given, else a new array.

        Raises
        ------
        StoreClosedError
            If the store was closed.
        ValueError
            If `out` does not fit, or the store does not hold counts.
        IndexError
            If a row is outside the store.
        """
        signals = self.signal_rows
        numbers = self._row_numbers(rows)
        shape = (len(numbers), self.n_leads, self.n_samples)
        if dtype not in ("float32", "int16"):
            raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'int16'")
        if dtype == "int16" and self._dtype != np.int16:
            raise ValueError(
                f"{self.path} holds float32 mV, no int16 counts; ask for 'float32'"
            )
        if out is None:
            out = np.empty(shape, dtype)
        elif out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
            raise ValueError(
                f"out is {out.dtype} of shape {out.shape}; expected a C-contiguous "
                f"array of {dtype} of shape {shape}"
            )
        signals.gather(numbers, out)()
        return out

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
        ndarray of shape (n_rows, 12, max_beats, 9)
            In the order of `ecgstore.record.MARKS`; -1 where absent.
        """
        return self._read(schema.FIDUCIALS, rows)

    def _read(self, name: str, rows: Rows | None) -> IntArray:
        """Return rows of a table of integers."""
        table = self.table(name)
        some = table if rows is None else table[self._row_numbers(rows)]
        return some.astype(np.int64)

    def table(self, name: str) -> NDArray[Any]:
        """Return a dataset other than the signals as it is stored, without reading it.

        Parameters
        ----------
        name : str
            Path in the file, such as ``"quality/ksqi"`` or ``"records/age"``; all of
            them are in docs/format.md.

        Returns
        -------
        ndarray of shape (n_records, ...)
            A view of the mapped file, not writeable; texts are UTF-8 bytes. It keeps
            the file open as long as it lives.

        Raises
        ------
        ValueError
            If there is no such table.
        StoreClosedError
            If the store was closed.
        """
        return self._open_tables()[name]

    def as_dataset(
        self,
        rows: Rows | None = None,
        *,
        fields: Iterable[str] = ("signals", "labels"),
        dtype: Literal["float32", "int16"] = "float32",
        leads: Iterable[str] | None = None,
        window: tuple[int, int] | None = None,
    ) -> "StoreDataset":
        """Return records as a PyTorch dataset, for code built on DataLoader.

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
                f"a dataset needs {error.name}; expected it to be installed: "
                'pip install "ecgstore[torch]"'
            ) from error
        return StoreDataset(
            self, rows, fields=fields, dtype=dtype, leads=leads, window=window
        )

    def _row_numbers(self, rows: Rows) -> IntArray:
        """Return row numbers as an array, every one inside the store."""
        try:
            return row_numbers(rows, len(self))
        except IndexError as error:
            raise IndexError(f"{self.path}: {error}") from None


def _opened_again(path: Path, attached: Origins) -> Store:
    """Return a store that was pickled, with the same features attached."""
    store = Store(path)
    store._attached.add_again(store, attached)
    return store
