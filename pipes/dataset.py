"""A store as a map-style dataset, for training code based on PyTorch's DataLoader."""

import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import (
    Any,
    Final,
    Literal,
    SupportsIndex,
    SupportsInt,
    TypeAlias,
    TypeGuard,
    overload,
)

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate, get_worker_info

from ecgstore.arrays import BoolArray, IntArray, UInt64Array
from ecgstore.errors import SlowPatternWarning
from ecgstore.pipes.arguments import require_functions
from ecgstore.pipes.batch import RowBatch, Transform
from ecgstore.pipes.reading.record_reader import RecordReader
from ecgstore.pipes.reading.window import RandomCrop
from ecgstore.storage import Store
from ecgstore.storage.row_numbers import Rows, index_array
from ecgstore.storage.selection import rows_of

_MANY_SINGLE_READS: Final = 1000
"""Successive reads of single records before a warning."""

_SILENCE: Final = (
    "to silence this: "
    "warnings.simplefilter('ignore', ecgstore.errors.SlowPatternWarning)"
)

Index: TypeAlias = SupportsIndex | Sequence[int] | IntArray | BoolArray | Tensor | slice
"""An index of a record, or indices, a slice or a mask of several."""

_INTEGERS: Final = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
"""Types of tensors that are integers."""

_warned: set[str] = set()
"""Messages that were shown in this process."""


class StoreDataset(Dataset[dict[str, Any]]):
    """Records of a store by their index in a selection, for PyTorch's DataLoader.

    A record is a dict of the chosen fields, ``"row"`` (the row in the store) and
    ``"n_real_samples"`` (the number of samples before the padding). Numbers are
    tensors, texts are str.

    A dataset is pickled as the path of its store and its rows, and can be used by
    several threads and by forked or spawned workers. Random transforms are drawn from
    PyTorch's random state; only `ecgstore.pipes.loader` resumes them exactly.

    Parameters
    ----------
    store : Store
        The store to read.
    rows : optional
        A selection, row numbers in any order, or a mask of the rows of the store; all
        rows if left out.
    fields : iterable of str
        Any of ``"signals"``, ``"labels"``, ``"features"``, ``"fiducials"``,
        ``"r_peaks"``, ``"targets"`` if the store has some, of the columns of
        `Store.records`, and of the names of attached deep features (`Store.attach`).
    dtype : {"float32", "int16"}
        Signals in mV, or the stored counts.
    leads : iterable of str, optional
        Names of the leads, in the order of the signals; all of the store if left out.
    window : tuple of int, optional
        (begin, end) in samples, `end` not included; all samples if left out. No other
        samples are read, and marks are counted from `begin`.
    transform : callable or sequence of callable
        Functions from a `Batch` to a `Batch`, as those of `ecgstore.pipes.loader`. They
        get all records that are read at a time, and columns that they add become
        fields.

    Raises
    ------
    ValueError
        If a field, lead or window is not in the store, or the selection is of another
        store.
    TypeError
        If a transform is no function.
    IndexError
        If a row is not in the store.

    Examples
    --------
    With `collate`, a batch is read as a whole and not copied again record by record:

    >>> from torch.utils.data import DataLoader
    >>> dataset = store.as_dataset(store.select(folds=range(8)))  # doctest: +SKIP
    >>> DataLoader(
    ...     dataset, batch_size=64, shuffle=True, collate_fn=dataset.collate
    ... )  # doctest: +SKIP
    """

    def __init__(
        self,
        store: Store,
        rows: Rows | None = None,
        *,
        fields: Iterable[str] = ("signals", "labels"),
        dtype: Literal["float32", "int16"] = "float32",
        leads: Iterable[str] | None = None,
        window: tuple[int, int] | None = None,
        transform: Transform | Sequence[Transform] = (),
    ) -> None:
        if isinstance(window, RandomCrop):
            raise TypeError(
                "window is a RandomCrop, which needs the order of a loader; expected "
                "(begin, end), or use ecgstore.pipes.loader"
            )
        self.rows: IntArray = rows_of(store, slice(None) if rows is None else rows)
        self._store = store
        self._fields = (fields,) if isinstance(fields, str) else (*fields,)
        self._options: dict[str, Any] = {
            "dtype": dtype,
            "leads": leads if leads is None or isinstance(leads, str) else [*leads],
            "window": window,
            "transform": require_functions("transform", transform),
        }
        self._n_single_reads = 0
        self._thread_local = threading.local()
        self._reader()  # raises if the options do not fit the store

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<StoreDataset of {len(self)} records of {self._store.place}>"

    def __getitem__(self, index: Index) -> dict[str, Any]:
        """Return one record by its index among the dataset's rows, or a batch.

        Parameters
        ----------
        index : int, sequence of int, ndarray, Tensor or slice
            An integer for one record, negative ones counted from the end; several, a
            slice or a mask of all records for a batch, as `collate` returns it.

        Raises
        ------
        TypeError
            If it is something else.
        IndexError
            If a record is not in the dataset, or a mask has another length.
        """
        if not _is_integer(index):
            return self.__getitems__(index).batch
        self._n_single_reads += 1
        if self._n_single_reads == _MANY_SINGLE_READS:
            _warn_of_single_reads()
        return self._read(np.array([int(index)]))[0]

    def __getitems__(self, indices: Index) -> "Records":
        """Return records by their indices, read as one batch.

        DataLoader calls this with the indices of each batch.

        Raises
        ------
        TypeError
            If the indices are not integers or a mask in one dimension, or a slice.
        IndexError
            If a record is not in the dataset, or a mask has another length.
        """
        self._n_single_reads = 0
        if isinstance(indices, Tensor):
            indices = indices.numpy(force=True)  # also from a GPU
        return self._read(index_array(indices, len(self), "indices"))

    @staticmethod
    def collate(
        records: Sequence[dict[str, Any]] | dict[str, Any],
    ) -> dict[str, Any]:
        """Return a batch of records: as PyTorch's `default_collate`, but not copied.

        Parameters
        ----------
        records : sequence of dict, or dict
            The result of `__getitems__`, or a list of records, which is copied. A batch
            is returned as it is.

        Returns
        -------
        dict
            For each field, a tensor whose first axis is that of the records, or a list
            of str.
        """
        if isinstance(records, Records):
            return records.batch
        if isinstance(records, dict):
            return records
        batch: dict[str, Any] = default_collate(list(records))
        return batch

    def __getstate__(self) -> dict[str, Any]:
        return {
            "store": self._store,
            "rows": self.rows,
            "fields": self._fields,
            "options": self._options,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        StoreDataset.__init__(
            self,
            state["store"],  # refused when it is unpickled, if it is another one now
            state["rows"],
            fields=state["fields"],
            **state["options"],
        )

    def _read(self, indices: IntArray) -> "Records":
        """Read some records as one batch."""
        if get_worker_info() is not None:
            _warn_of_workers()
        try:
            rows = self.rows[indices]
        except IndexError:
            outside = indices[(indices < -len(self)) | (indices >= len(self))]
            raise IndexError(
                f"no record {outside[0]} in a dataset of {len(self)}; expected "
                f"{-len(self)} to {len(self) - 1}"
            ) from None
        batch = self._reader().read(RowBatch(rows, self._seeds(len(rows))))
        values: dict[str, Any] = {
            "row": batch.rows,
            "n_real_samples": batch.n_real_samples,
        }
        for name in dict.fromkeys((*self._fields, *batch.columns)):
            is_column = name in batch.columns
            values[name] = batch.columns[name] if is_column else getattr(batch, name)
        return Records(values, len(batch))

    def _seeds(self, n_records: int) -> UInt64Array:
        """Return new random seeds of records, if there is a transform to use them."""
        if not self._options["transform"]:
            return np.zeros(n_records, np.uint64)
        # As random transforms of other datasets: DataLoader seeds each worker's state.
        return torch.randint(2**63 - 1, (n_records,)).numpy().view(np.uint64)

    def _reader(self) -> RecordReader:
        """Return this thread's reader, for threads cannot share its buffers."""
        if not hasattr(self._thread_local, "reader"):
            self._thread_local.reader = RecordReader(
                self._store, self._fields, **self._options
            )
        reader: RecordReader = self._thread_local.reader
        return reader


class Records(Sequence[dict[str, Any]]):
    """Records that were read as one batch; a record is a dict of views of the batch.

    Parameters
    ----------
    batch : dict
        For each field, a tensor whose first axis is that of the records, or a list of
        str.
    n_records : int
        Number of records.
    """

    def __init__(self, batch: dict[str, Any], n_records: int) -> None:
        self.batch = batch
        self._n_records = n_records

    def __len__(self) -> int:
        return self._n_records

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> Any:
        """Return one record, or several as a list."""
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        return {name: values[index] for name, values in self.batch.items()}


def _is_integer(index: Index) -> TypeGuard[SupportsInt]:
    """Return whether an index is one integer, of Python, NumPy or PyTorch."""
    if isinstance(index, Tensor):
        return index.ndim == 0 and index.dtype in _INTEGERS
    if isinstance(index, np.ndarray):
        return index.ndim == 0 and index.dtype.kind in "iu"
    return isinstance(index, int | np.integer) and not isinstance(index, bool)


def _warn_of_single_reads() -> None:
    """Warn once that whole batches are faster to read."""
    _warn(
        "records are read one by one: whole batches are several times as fast, with "
        "ecgstore.pipes.loader, with dataset.__getitems__(indices), or with "
        "DataLoader(dataset, batch_size=..., collate_fn=dataset.collate)"
    )


def _warn_of_workers() -> None:
    """Warn once that worker processes make reading slower."""
    info = get_worker_info()
    if info is not None and info.id == 0:  # one warning of all workers is enough
        _warn(
            "a store is read by worker processes: sending a batch to another process "
            "takes longer than reading it; use ecgstore.pipes.loader, or "
            "num_workers=0 with collate_fn=dataset.collate"
        )


def _warn(message: str) -> None:
    """Show a warning, unless it was shown in this process before."""
    if message not in _warned:
        _warned.add(message)
        warnings.warn(f"{message} ({_SILENCE})", SlowPatternWarning, stacklevel=4)
