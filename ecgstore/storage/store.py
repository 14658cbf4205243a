"""Open a store: select rows, read signals, labels, features and marks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, overload

import numpy as np
import pandas as pd

from ecgstore.arrays import (
    Float32Array,
    Int16Array,
    IntArray,
    UInt8Array,
)
from ecgstore.diagnoses import ClassSet, class_set
from ecgstore.errors import RecordNotFoundError, SchemaError, StoreClosedError
from ecgstore.storage import schema
from ecgstore.storage.hdf5 import (
    check_layout,
    column,
    open_hdf5,
    read_config,
    text,
    texts,
)
from ecgstore.storage.integrity import row_checksum
from ecgstore.storage.layout import UNSEALED, row_offsets
from ecgstore.storage.names import RecordNames
from ecgstore.storage.rows import MemoryMap
from ecgstore.storage.selection import Selection, select

Rows: TypeAlias = Sequence[int] | IntArray | slice | Selection
"""Row numbers of a store, or what `Store.select` returned."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredRecord:
    """One record as a store holds it.

    Attributes
    ----------
    record_id, source, patient_id : str
        Who it is; `patient_id` is empty where unknown.
    row : int
        Its row in every dataset of the store.
    signal : ndarray of shape (12, n_real_samples)
        Filtered voltages in mV, float32, without the padding.
    fs : float
        Sampling rate in Hz.
    labels : dict
        Every class of the store and whether the record is in it.
    features : dict
        Every handcrafted feature; NaN where undefined.
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the record's beats.
    fiducials : ndarray of shape (12, n_beats, 9)
        Sample indices of the marks of every beat, -1 where absent.
    """

    record_id: str
    source: str
    patient_id: str
    row: int
    signal: Float32Array
    fs: float
    labels: dict[str, bool]
    features: dict[str, float]
    r_peaks: IntArray
    fiducials: IntArray


class Store:
    """A finished store, opened for reading.

    Tables are read when first asked for and kept; signals are read from a memory
    map of the file. A store can be used from several threads, survives `fork`, and
    is pickled as its path.

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
        self._map: MemoryMap | None = None
        with open_hdf5(self.path) as file:
            self.config = read_config(file, self.path)
            check_layout(file, self.path, self.config)
            self.software: str = text(file.attrs["software"])
            self.fingerprint: str = text(file.attrs["fingerprint"])
            status = file[schema.QUALITY][schema.BEATS_STATUS].attrs
            self.beats_statuses = dict(
                zip(
                    text(status["flag_meanings"]).split(),
                    status["flag_values"].tolist(),
                    strict=True,
                )
            )
            if self.fingerprint == UNSEALED:
                raise SchemaError(
                    f"{self.path}: an unfinished build; run its command again to "
                    "finish it"
                )
            signals = file[schema.SIGNALS]
            self.scale_factor = float(signals.attrs["scale_factor"])
            self._dtype = signals.dtype
            self._n_rows = int(signals.shape[0])
            self.n_leads, self.n_samples = map(int, signals.shape[1:])
            try:
                self._offsets = row_offsets(signals)
            except ValueError as error:
                chunk = "x".join(map(str, (1, *signals.shape[1:])))
                raise SchemaError(
                    f"{self.path}: {error}; bring it back to the layout it was built "
                    f"with, such as by h5repack -f NONE -l signals:CHUNK={chunk}"
                ) from error
            self.label_names = texts(file[schema.LABELS].attrs["names"])
            self.feature_names = texts(file[schema.FEATURES].attrs["names"])
            self.feature_units = texts(file[schema.FEATURES].attrs["units"])
        self._map = MemoryMap(self.path)

    @property
    def dtype(self) -> str:
        """Type of the stored signals: ``"int16"`` or ``"float32"``."""
        return str(self._dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type["Store"], tuple[Path]]:
        return Store, (self.path,)

    def __repr__(self) -> str:
        return f"<ecgstore.Store {self.path}: {len(self)} records>"

    def close(self) -> None:
        """Give the memory map back; reading signals afterwards is an error."""
        if self._map is not None:
            self._map.close()
        self._map = None

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
        """
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
        with open_hdf5(self.path) as file:
            expected = int(file[schema.CHECKSUMS][row])
            found = row_checksum(file[schema.SIGNALS][row])
        if found != expected:
            raise SchemaError(
                f"{self.path}: row {row} ({self.records.index[row]}) is damaged, its "
                f"CRC-32C is {found:08x} instead of {expected:08x}; `ecgstore verify` "
                "lists all damage"
            )

    @cached_property
    def records(self) -> pd.DataFrame:
        """Metadata of every record, indexed by record_id, with its fold."""
        columns: dict[str, Any] = {}
        with open_hdf5(self.path) as file:
            group = file[schema.RECORDS]
            for name in (*schema.RECORD_TEXTS, *schema.RECORD_NUMBERS):
                columns[name] = column(group[name])
            columns["fold"] = file[schema.FOLDS][...]
        frame = pd.DataFrame(columns)
        return frame.set_index("record_id")

    @cached_property
    def quality(self) -> pd.DataFrame:
        """Quality of every record, indexed by record_id.

        Per-lead quantities have a column per lead, such as ``ksqi_V1``.
        """
        columns: dict[str, Any] = {}
        with open_hdf5(self.path) as file:
            leads = texts(file[schema.SIGNALS].attrs["leads"])
            for each in schema.QUALITY_TABLE:
                values = file[schema.QUALITY][each.name][...]
                if each.per_lead:
                    for number, lead in enumerate(leads):
                        columns[f"{each.name}_{lead}"] = values[:, number]
                else:
                    columns[each.name] = values
        return pd.DataFrame(columns, index=self.records.index)

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """Every selected record that was left out, and why."""
        with open_hdf5(self.path) as file:
            group = file[schema.QUARANTINE]
            return pd.DataFrame(
                {name: column(group[name]) for name in schema.QUARANTINE_TEXTS}
            )

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
            return self._labels[some]
        chosen = classes if isinstance(classes, ClassSet) else class_set(classes)
        codes = self.records["dx"].to_numpy()[some]
        return chosen.labels([each.split(",") if each else [] for each in codes])

    @cached_property
    def _labels(self) -> UInt8Array:
        """The stored labels."""
        with open_hdf5(self.path) as file:
            labels: UInt8Array = file[schema.LABELS][...]
        return labels

    def features(self, rows: Rows | None = None) -> pd.DataFrame:
        """Return the handcrafted features, indexed by record_id.

        Parameters
        ----------
        rows : optional
            Row numbers; all rows if left out.
        """
        frame = self._features
        return frame if rows is None else frame.iloc[self._row_numbers(rows)]

    @cached_property
    def _features(self) -> pd.DataFrame:
        """The stored features."""
        with open_hdf5(self.path) as file:
            values = file[schema.FEATURES][...]
        return pd.DataFrame(
            values, index=self.records.index, columns=list(self.feature_names)
        )

    # -- selecting ----------------------------------------------------------

    def select(
        self,
        *,
        folds: Iterable[int] | None = None,
        sources: Iterable[str] | None = None,
        classes: Iterable[str] | None = None,
        query: str | None = None,
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
            An expression over the columns of `records`, `features` and `quality`, as
            `pandas.DataFrame.query` takes it, such as ``"age < 40 and sex == 'male'"``.

        Returns
        -------
        Selection

        Raises
        ------
        EcgStoreError
            If a source, class or fold is not in the store, or the query fails.
        """
        return select(self, folds=folds, sources=sources, classes=classes, query=query)

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
        if self._map is None:
            raise StoreClosedError(
                f"{self.path}: the store is closed; open it again to read signals"
            )
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
        offsets = self._offsets[numbers]
        flat = out.reshape(len(numbers), self.n_leads * self.n_samples)
        if dtype == "int16":
            self._map.gather_int16(offsets, flat)
        elif self._dtype == np.int16:
            self._map.gather_scaled(offsets, self.scale_factor, flat)
        else:
            self._map.gather_float32(offsets, flat)
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

    def _read(self, path: str, rows: Rows | None) -> IntArray:
        """Read rows of an integer dataset through the HDF5 library."""
        numbers = None if rows is None else self._row_numbers(rows)
        with open_hdf5(self.path) as file:
            dataset = file[path]
            if numbers is None:
                return np.asarray(dataset[...], np.int64)
            result = np.empty((len(numbers), *dataset.shape[1:]), np.int64)
            for place, row in enumerate(numbers):
                result[place] = dataset[row]
            return result

    def _row_numbers(self, rows: Rows) -> IntArray:
        """Return row numbers as an array, every one inside the store."""
        if isinstance(rows, Selection):
            return rows.rows
        if isinstance(rows, slice):
            return np.arange(len(self))[rows]
        numbers = np.asarray(rows)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise TypeError(
                "rows are not row numbers; expected a sequence of whole numbers, such "
                "as store.select(...).rows"
            )
        numbers = numbers.astype(np.int64, copy=False)
        outside = numbers[(numbers < 0) | (numbers >= len(self))]
        if outside.size:
            raise IndexError(
                f"{self.path}: no row {outside[0]}; rows go from 0 to {len(self) - 1}"
            )
        return numbers
