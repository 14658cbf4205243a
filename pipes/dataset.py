"""A store as a map-style dataset, for training code based on PyTorch's DataLoader."""

import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, overload

import numpy as np
from torch.utils.data import Dataset, default_collate, get_worker_info

from ecgstore.arrays import IntArray
from ecgstore.errors import SchemaError, SlowPatternWarning
from ecgstore.pipes.batch import RowBatch
from ecgstore.pipes.reading.record_reader import RecordReader
from ecgstore.pipes.reading.window import RandomCrop
from ecgstore.storage import Selection, Store
from ecgstore.storage.row_numbers import Rows, row_numbers

_MANY_SINGLE_READS: Final = 1000
"""Successive reads of single records before a warning."""

_SILENCE: Final = (
    "to silence this: "
    "warnings.simplefilter('ignore', ecgstore.errors.SlowPatternWarning)"
)

_warned: set[str] = set()
"""Messages that were shown in this process."""


class StoreDataset(Dataset[dict[str, Any]]):
    """Records of a store by their index in a selection, for PyTorch's DataLoader.

    A record is a dict of the chosen fields, ``"row"`` (the row in the store) and
    ``"n_real_samples"`` (the number of samples before the padding). Numbers are
    tensors, texts are str.

    A dataset is pickled as the path of its store and its rows, and can be used by
    several threads and by forked or spawned workers. It draws no random numbers;
    `ecgstore.pipes.loader` has random crops and augmentations.

    Parameters
    ----------
    store : Store
        The store to read.
    rows : optional
        A selection, or row numbers in any order; all rows if left out.
    fields : iterable of str
        Any of ``"signals"``, ``"labels"``, ``"features"``, ``"fiducials"``,
        ``"r_peaks"``, of the columns of `Store.records`, and of the names of attached
        deep features (`Store.attach`).
    dtype : {"float32", "int16"}
        Signals in mV, or the stored counts.
    leads : iterable of str, optional
        Names of the leads, in the order of the signals; all twelve if left out.
    window : tuple of int, optional
        (begin, end) in samples, `end` not included; all samples if left out. No other
        samples are read, and marks are counted from `begin`.

    Raises
    ------
    ValueError
        If a field, lead or window is not in the store, or the selection is of another
        store.
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
    ) -> None:
        if isinstance(window, RandomCrop):
            raise TypeError(
                "window is a RandomCrop, but a dataset draws no random numbers; "
                "expected (begin, end), or use ecgstore.pipes.loader"
            )
        if isinstance(rows, Selection) and (
            rows.store.fingerprint != store.fingerprint
        ):
            raise ValueError(
                f"{rows!r} is a selection of another store than {store.path}; select "
                "from the store that is read"
            )
        rows = slice(None) if rows is None else rows
        self.rows: IntArray = row_numbers(rows, len(store))
        self._store = store
        self._fields = (fields,) if isinstance(fields, str) else (*fields,)
        self._options: dict[str, Any] = {
            "dtype": dtype,
            "leads": leads if leads is None or isinstance(leads, str) else [*leads],
            "window": window,
        }
        self._n_single_reads = 0
        self._thread_local = threading.local()
        self._reader()  # raises if the options do not fit the store

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<StoreDataset of {len(self)} records of {self._store.path}>"

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one record by its index among the dataset's rows."""
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"no record {index} in a dataset of {len(self)}; expected "
                f"{-len(self)} to {len(self) - 1}"
            )
        self._n_single_reads += 1
        if self._n_single_reads == _MANY_SINGLE_READS:
            _warn_of_single_reads()
        return self._read([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> "Records":
        """Return records by their indices, read as one batch.

        DataLoader calls this with the indices of each batch.
        """
        self._n_single_reads = 0
        return self._read(indices)

    @staticmethod
    def collate(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return a batch of records: as PyTorch's `default_collate`, but not copied.

        Parameters
        ----------
        records : sequence of dict
            The result of `__getitems__`, or a list of records, which is copied.

        Returns
        -------
        dict
            For each field, a tensor whose first axis is that of the records, or a list
            of str.
        """
        if isinstance(records, Records):
            return records.batch
        batch: dict[str, Any] = default_collate(list(records))
        return batch

    def __getstate__(self) -> dict[str, Any]:
        return {
            "store": self._store,
            "fingerprint": self._store.fingerprint,
            "rows": self.rows,
            "fields": self._fields,
            "options": self._options,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        store: Store = state["store"]
        if store.fingerprint != state["fingerprint"]:
            raise SchemaError(
                f"{store.path} was replaced by another store since the dataset was "
                "pickled; make the dataset again"
            )
        StoreDataset.__init__(
            self, store, state["rows"], fields=state["fields"], **state["options"]
        )

    def _read(self, indices: Sequence[int]) -> "Records":
        """Read some records as one batch."""
        if get_worker_info() is not None:
            _warn_of_workers()
        rows = self.rows[np.asarray(indices, np.int64)]
        # Nothing is random here, so the seeds are not used.
        batch = self._reader().read(RowBatch(rows, np.zeros(len(rows), np.uint64)))
        values: dict[str, Any] = {
            "row": batch.rows,
            "n_real_samples": batch.n_real_samples,
        }
        for name in self._fields:
            is_column = name in batch.columns
            values[name] = batch.columns[name] if is_column else getattr(batch, name)
        return Records(values, len(rows))

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
