"""Read fields of a store's records into a batch."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgstore.arrays import IntArray
from ecgstore.pipes.arguments import require_functions, require_same_type
from ecgstore.pipes.batch import Batch, RowBatch, Transform
from ecgstore.pipes.fusing.fused import Fused, Plan, fuse
from ecgstore.pipes.reading.buffers import Buffers
from ecgstore.pipes.reading.sharing import WorkSharing
from ecgstore.pipes.reading.window import (
    Window,
    marks_in_window,
    window_begins,
    window_length,
)
from ecgstore.similar_names import did_you_mean
from ecgstore.storage import Store
from ecgstore.storage.collection.joined_table import JoinedTable
from ecgstore.storage.format import schema
from ecgstore.storage.remote import line
from ecgstore.storage.rows import Gather, load_kernels

load_kernels()  # while PyTorch is imported, not with the first batch

ARRAYS: Final = ("signals", "labels", "features", "fiducials", "r_peaks")
"""Fields of every store that are attributes of a batch, as `schema.TARGETS` of some is;
all others are in `Batch.columns`."""

_MOST_ROWS_AHEAD: Final = 512
"""A window of the order of stores at URLs, so that its blocks become requests."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Batches that are to be read together, with all but their signals.

    Attributes
    ----------
    rows : ndarray of shape (n_records,)
        The rows of all of them.
    sizes : list of int
        The number of records of each.
    begins : ndarray of shape (n_records,), optional
        First sample of each record's window.
    fields : dict
        The fields of a batch of all records, but its signals.
    plan : Plan, optional
        What is done to the signals when they are read, and the batch after it.
    shape, dtype
        Shape and type of the signals after it.
    """

    rows: IntArray
    sizes: list[int]
    begins: IntArray | None
    fields: dict[str, Any]
    plan: Plan | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class RecordReader:
    """Reads chosen fields of any records of a store, without the HDF5 library.

    Parameters
    ----------
    store : Store
        The store to read.
    fields : iterable of str
        Any of ``"signals"``, ``"labels"``, ``"features"``, ``"fiducials"``,
        ``"r_peaks"``, ``"targets"`` if the store has some, of the columns of
        `Store.records`, and of the names of attached deep features (`Store.attach`).
    dtype : {"float32", "int16"}
        Signals in mV, or the stored counts.
    leads : iterable of str, optional
        Names of the leads, in the order of the batch; all of the store if left out.
    window : tuple of int or RandomCrop, optional
        The samples to read: (begin, end), `end` not included, or a random crop; all if
        left out. Marks are counted from the begin of the window.
    transform : callable or sequence of callable
        Functions from a batch to a batch. Those at the begin that a kernel can do
        (`Fusible`) are done to a record when it is read.
    buffers : Buffers, optional
        Memory for the signals.
    sharing : WorkSharing, optional
        Lets a waiting consumer help to copy signals; see `Prefetch`.

    Raises
    ------
    ValueError
        If a field, lead or window is not in the store.
    """

    def __init__(
        self,
        store: Store,
        fields: Iterable[str] = ("signals", "labels"),
        *,
        dtype: Literal["float32", "int16"] = "float32",
        leads: Iterable[str] | None = None,
        window: Window = None,
        transform: Transform | Sequence[Transform] = (),
        buffers: Buffers | None = None,
        sharing: WorkSharing | None = None,
    ) -> None:
        self._store = store
        self._arrays, self._columns = _known_fields(store, fields)
        if dtype not in ("float32", "int16"):
            raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'int16'")
        if dtype == "int16" and store.dtype != "int16":
            raise ValueError(
                f"{store.place} holds float32 mV, not int16 counts; use dtype='float32'"
            )
        self._leads = None if leads is None else store.lead_numbers(leads)
        chosen = np.arange(store.n_leads) if self._leads is None else self._leads
        self._lead_names = tuple(store.leads[number] for number in chosen)
        missing = store.missing_leads
        self._missing = None if missing is None else missing[:, chosen]
        self._fs = store.config.fs
        self._window = window
        self._n_window = window_length(window, store.n_samples)
        self._dtype = dtype
        self._mv_per_count = store.scale_factor if dtype == "int16" else 1.0
        self._n_samples = store.n_samples
        self._signals = store.signal_rows
        self._buffers = Buffers() if buffers is None else buffers
        self._sharing = WorkSharing() if sharing is None else sharing
        self._transforms = fuse(require_functions("transform", transform))
        self._fused: Fused | None = None
        if "signals" in self._arrays and store.dtype == "int16" and self._transforms:
            first = self._transforms[0]
            if isinstance(first, Fused):
                self._fused, self._transforms = first, self._transforms[1:]

    def read(self, batch: RowBatch) -> Batch:
        """Return the records of a batch.

        Parameters
        ----------
        batch : RowBatch
            Rows and seeds of the records.

        Raises
        ------
        EcgStoreError
            If the file was changed since it was opened.
        SchemaError
            If the store checks rows at their first reading, and one is damaged.
        """
        [result] = self.finish(self.prepare([batch]))
        return result

    def prepare(self, batches: Sequence[RowBatch]) -> Prepared:
        """Read all but the signals of batches, which are then read together.

        Raises
        ------
        EcgStoreError
            If the file was changed since it was opened.
        """
        self.check_unchanged()
        together = batches[0]
        if len(batches) > 1:
            together = RowBatch(
                np.concatenate([batch.rows for batch in batches]),
                np.concatenate([batch.seeds for batch in batches]),
            )
        rows = together.rows
        n_real, begins = self._windows(together)
        fields = self._fields(together, n_real, begins)
        plan: Plan | None = None
        shape, dtype = self._shape(rows), np.dtype(self._dtype)
        if self._fused is not None:
            signals = torch.empty(
                shape, dtype=getattr(torch, self._dtype), device="meta"
            )
            plan = self._fused.plan(Batch(**fields, signals=signals))
            shape, dtype = plan.shape, plan.dtype
        sizes = [len(batch) for batch in batches]
        return Prepared(rows, sizes, begins, fields, plan, shape, dtype)

    def finish(
        self, prepared: Prepared, meanwhile: Callable[[], None] | None = None
    ) -> list[Batch]:
        """Read the signals of what was prepared, and return the batches.

        Parameters
        ----------
        prepared : Prepared
            A result of `prepare`.
        meanwhile : callable, optional
            Called while a waiting thread may already copy signals.

        Raises
        ------
        EcgStoreError
            If the file was changed since it was opened.
        SchemaError
            If the store checks rows at their first reading, and one is damaged.
        """
        self.check_unchanged()
        signals: Tensor | None = None
        if "signals" not in self._arrays:
            if meanwhile is not None:
                meanwhile()
        else:
            out, gather = self._gather(prepared)
            with self._sharing.share(gather, out.nbytes):
                if meanwhile is not None:
                    meanwhile()
            gather.finish()
            signals = torch.from_numpy(out)
        if prepared.plan is None:
            result = Batch(**prepared.fields, signals=signals)
        else:
            result = prepared.plan.batch.replace(signals=signals)
        batches = result.split(prepared.sizes)
        for transform in self._transforms:
            batches = [require_same_type(transform, batch) for batch in batches]
        return batches

    def _shape(self, rows: IntArray) -> tuple[int, ...]:
        """Return the shape of the signals of some rows."""
        return len(rows), len(self._lead_names), self._n_window

    def _fields(
        self, batch: RowBatch, n_real: IntArray, begins: IntArray | None
    ) -> dict[str, Any]:
        """Return all fields of the records but their signals."""
        rows = batch.rows
        return {
            "rows": torch.from_numpy(rows),
            "seeds": batch.seeds,
            "names": self._store.tables[f"{schema.RECORDS}/record_id"][rows],
            "n_real_samples": torch.from_numpy(n_real),
            "mv_per_count": self._mv_per_count,
            "leads": self._lead_names,
            "fs": self._fs,
            "missing_leads": self._missing_of(rows),
            "columns": {name: self._column(name, rows) for name in self._columns},
            **{
                name: self._array(name, rows, begins)
                for name in self._arrays
                if name != "signals"
            },
        }

    def _gather(self, prepared: Prepared) -> tuple[NDArray[Any], Gather]:
        """Return memory for signals, and a function that copies them there."""
        stored, rows, begins = self._signals, prepared.rows, prepared.begins
        out = self._buffers.take(prepared.shape, prepared.dtype)
        plan = prepared.plan
        if plan is None or not len(plan.program):
            return out, stored.gather(rows, out, self._leads, begins)
        from ecgstore.pipes.fusing import _step_kernels as kernels  # loads numba

        n_leads = len(self._lead_names)
        places = stored.places(rows, n_leads, self._n_window, self._leads, begins)
        arguments = plan.arguments(*stored.counts(places), stored.scale, out)
        return out, places.gather((kernels.run, kernels.run_checked), arguments)

    def check_unchanged(self) -> None:
        """Refuse a file that was changed since it was opened; see `Store`."""
        self._store.check_unchanged()

    @property
    def row_bytes(self) -> int:
        """Bytes of signals that are read for a record, as they are stored."""
        if "signals" not in self._arrays:
            return 0
        n_values = len(self._lead_names) * self._n_window
        return n_values * self._signals.dtype.itemsize

    @property
    def record_bytes(self) -> int:
        """Bytes of a record in a batch, about: those of all arrays that are read."""
        read = [self._store.tables[name] for name in self._arrays if name != "signals"]
        read += [
            self._store.attached[name]
            for name in self._columns
            if name in self._store.attached
        ]
        n_bytes = sum(math.prod(one.shape[1:]) * one.dtype.itemsize for one in read)
        if "signals" in self._arrays:
            n_bytes += 4 * len(self._lead_names) * self._n_window
        return n_bytes

    @property
    def n_rows_ahead(self) -> int:
        """Number of rows to request together from a URL: as many as fit in its line."""
        if not self.row_bytes:
            return _MOST_ROWS_AHEAD
        n_leads = len(self._lead_names)
        n_bytes = self._signals.fetched_nbytes(self._n_window, n_leads)
        return min(_MOST_ROWS_AHEAD, max(1, line.AHEAD_BYTES // max(1, n_bytes)))

    @property
    def fetches(self) -> bool:
        """Whether some signals are at a URL, and not here."""
        return self._signals.fetches

    def will_need(self, batches: Sequence[RowBatch]) -> None:
        """Let records of batches be read that are soon passed to `read`."""
        self.check_unchanged()
        rows = np.concatenate([batch.rows for batch in batches])
        for name in self._arrays:
            if name == "signals":
                continue
            table: object = self._store.tables[name]
            if isinstance(table, JoinedTable):
                table.will_need(rows)
        if "signals" not in self._arrays:
            return
        begins = [self._windows(batch)[1] for batch in batches]
        known = [one for one in begins if one is not None]
        self._signals.will_need(
            rows, self._n_window, self._leads, np.concatenate(known) if known else None
        )

    def _missing_of(self, rows: IntArray) -> Tensor | None:
        """Return which leads the records lack; None if no record does."""
        return None if self._missing is None else torch.from_numpy(self._missing[rows])

    def _windows(self, batch: RowBatch) -> tuple[IntArray, IntArray | None]:
        """Return the number of real samples and the begin of each record's window."""
        path = f"{schema.QUALITY}/{schema.PAD_LENGTH}"
        padding = self._store.tables[path][batch.rows]
        n_real: IntArray = np.int64(self._n_samples) - padding
        begins = window_begins(self._window, n_real, batch.seeds)
        if begins is not None:
            n_real = np.maximum(n_real - begins, 0)
        return np.minimum(n_real, self._n_window), begins

    def _array(self, name: str, rows: IntArray, begins: IntArray | None) -> Tensor:
        """Return one array field of the records other than the signals."""
        values: NDArray[Any] = self._store.tables[name][rows]
        if name == "fiducials" and self._leads is not None:
            values = values[:, self._leads]
        if name in ("fiducials", "r_peaks") and self._window is not None:
            values = marks_in_window(values, begins, self._n_window)
        if name == "labels":
            values = values.astype(np.float32)  # the type of logits, as losses need it
        return torch.from_numpy(values)

    def _column(self, name: str, rows: IntArray) -> Tensor | list[str]:
        """Return one column of the table of records, or attached deep features."""
        attached = self._store.attached.get(name)
        if attached is not None:
            return torch.from_numpy(attached[rows])
        path = schema.FOLDS if name == "fold" else f"{schema.RECORDS}/{name}"
        values: NDArray[Any] = self._store.tables[path][rows]
        if values.dtype.kind == "S":
            return [value.decode() for value in values.tolist()]
        return torch.from_numpy(values)


def _known_fields(
    store: Store, fields: Iterable[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Divide the names of fields into array fields and columns.

    Raises
    ------
    ValueError
        If the store has no such field.
    """
    columns = (
        *schema.RECORD_TEXTS,
        *schema.RECORD_NUMBERS,
        *schema.extra_columns(store.config),
        "fold",
        *store.attached,
    )
    names = list(dict.fromkeys([fields] if isinstance(fields, str) else fields))
    arrays = (*ARRAYS, schema.TARGETS) if store.target_names else ARRAYS
    known = (*arrays, *columns)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{store.place}: no field {unknown[0]!r}; {did_you_mean(unknown[0], known)}"
            f"expected some of {', '.join(known)}"
        )
    return (
        [name for name in names if name in arrays],
        [name for name in names if name in columns],
    )
