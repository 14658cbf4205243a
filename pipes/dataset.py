"""A store as a map-style dataset, for training code built on PyTorch's DataLoader."""

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
"""Records read one by one before it is worth a warning."""

_SILENCE: Final = (
    "to silence this: "
    "warnings.simplefilter('ignore', ecgstore.errors.SlowPatternWarning)"
)

_warned: set[str] = set()
"""What this process was warned of."""


class StoreDataset(Dataset[dict[str, Any]]):
    """Records of a store by their place in a selection, as PyTorch's DataLoader asks.

    A record is a dict with the fields asked for, ``"row"``, its row in the store, and
    ``"n_real_samples"``, the samples that are not padding. Numbers are tensors, texts
    are strings.

    A dataset is pickled as the path of its store and its rows, and may be used by
    several threads and by workers that were forked or spawned. It makes no random
    choices; loaders that crop and augment are in `ecgstore.pipes.loader`.

    Parameters
    ----------
    store : Store
        The store.
    rows : optional
        What `Store.select` returned, or row numbers in any order; all if left out.
    fields : iterable of str
        Any of ``"signals"``, ``"labels"``, ``"features"``, ``"fiducials"``,
        ``"r_peaks"``, of the columns of `Store.records`, and of the names of attached
        deep features (`Store.attach`).
    dtype : {"float32", "int16"}
        Signals in mV, or the stored counts.
    leads : iterable of str, optional
        Names of the leads, in the order wanted; all twelve if left out.
    window : tuple of int, optional
        First sample and the one after the last; marks are counted from the first. No
        other samples are read.

    Raises
    ------
    ValueError
        If a field, lead or window is not in the store, or the selection is one of
        another store.
    IndexError
        If a row is not in the store.

    Examples
    --------
    With `collate`, a batch is read as one piece and no record is copied a second time:

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
                "a dataset makes no random choices, and window is a RandomCrop; "
                "expected (begin, end), or use ecgstore.pipes.loader"
            )
        if isinstance(rows, Selection) and (
            rows.store.fingerprint != store.fingerprint
        ):
            raise ValueError(f"{rows!r} is no selection of {store.path}")
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
        self._of_thread = threading.local()
        self._reader()  # refuses what cannot be read

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<StoreDataset of {len(self)} records of {self._store.path}>"

    def __getitem__(self, place: int) -> dict[str, Any]:
        """Return one record by its place among the dataset's rows."""
        if not -len(self) <= place < len(self):
            raise IndexError(f"no record {place} in a dataset of {len(self)}")
        self._n_single_reads += 1
        if self._n_single_reads == _MANY_SINGLE_READS:
            _warn_of_single_reads()
        return self._read([place])[0]

    def __getitems__(self, places: Sequence[int]) -> "Records":
        """Return records by their places, read as one batch.

        DataLoader calls this with the places of each batch.
        """
        self._n_single_reads = 0
        return self._read(places)

    @staticmethod
    def collate(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return a batch: the same as PyTorch's own function does, without copying.

        Parameters
        ----------
        records : sequence of dict
            What `__getitems__` returned, or a list of records.

        Returns
        -------
        dict
            For each field a tensor with an axis of records in front, or a list of
            strings.
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
                "made; make it again"
            )
        StoreDataset.__init__(
            self, store, state["rows"], fields=state["fields"], **state["options"]
        )

    def _read(self, places: Sequence[int]) -> "Records":
        """Read some records as one batch."""
        if get_worker_info() is not None:
            _warn_of_workers()
        rows = self.rows[np.asarray(places, np.int64)]
        # No seeds are needed where nothing is random.
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
        """Return this thread's reader: its buffers cannot be shared."""
        if not hasattr(self._of_thread, "reader"):
            self._of_thread.reader = RecordReader(
                self._store, self._fields, **self._options
            )
        reader: RecordReader = self._of_thread.reader
        return reader


class Records(Sequence[dict[str, Any]]):
    """Records that were read as one batch: each is a dict of views of it.

    Parameters
    ----------
    batch : dict
        For each field a tensor with an axis of records in front, or a list of strings.
    n_records : int
        How many records there are.
    """

    def __init__(self, batch: dict[str, Any], n_records: int) -> None:
        self.batch = batch
        self._n_records = n_records

    def __len__(self) -> int:
        return self._n_records

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[place] for place in range(len(self)))

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, place: int | slice) -> Any:
        """Return one record, or some as a list."""
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        return {name: values[place] for name, values in self.batch.items()}


def _warn_of_single_reads() -> None:
    """Say once that whole batches are quicker."""
    _warn(
        "records are read one by one: whole batches are several times as fast, by "
        "ecgstore.pipes.loader, by dataset.__getitems__(places), or by "
        "DataLoader(dataset, batch_size=..., collate_fn=dataset.collate)"
    )


def _warn_of_workers() -> None:
    """Say once that worker processes make reading slower."""
    info = get_worker_info()
    if info is not None and info.id == 0:  # one of them is enough
        _warn(
            "a store is read by worker processes: sending batches from process to "
            "process takes longer than reading them; use ecgstore.pipes.loader, or "
            "num_workers=0 with collate_fn=dataset.collate"
        )


def _warn(message: str) -> None:
    """Warn of something the first time it happens in this process."""
    if message not in _warned:
        _warned.add(message)
        warnings.warn(f"{message} ({_SILENCE})", SlowPatternWarning, stacklevel=4)
