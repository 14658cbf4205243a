"""Load with h5py and PyTorch's DataLoader: the common Dataset, and a tuned one."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from bench.loading.workloads import BATCH_SIZE, Batch, Files, Workload


class EpochOrder(Sampler[int]):
    """A sampler of the rows of an epoch, in the order of `rows`.

    It is the same object in all epochs, so that worker processes can persist.
    """

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class OneByOne(Dataset[tuple[int, Tensor, Tensor]]):
    """The common Dataset over h5py, where item i is record i.

    The file is opened in the process that reads it, as h5py requires with workers. Two
    optimisations that matter much are included: the dataset is looked up once, not for
    every record, and the labels are in memory.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        self._path = files.store
        self._workload = workload
        self._scale = np.float32(files.mv_per_count)
        self._labels = torch.from_numpy(np.load(files.labels))
        self._signals: h5py.Dataset | None = None

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[int, Tensor, Tensor]:
        if self._signals is None:
            self._signals = h5py.File(self._path, "r")["signals"]
        signal = self._signals[row, self._workload.leads, self._workload.samples]
        if self._workload.dtype == "float32":
            signal = signal.astype(np.float32) * self._scale
        return row, torch.from_numpy(signal), self._labels[row]


class Batches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """A Dataset over h5py whose items are whole batches: no collating, no stacking.

    Rows are read directly into the batch. Which file and which call are fastest depends
    on the workload: raw chunks of the store (``read_direct_chunk``) for whole rows in
    random order; h5py's low-level ``read`` of a contiguous dataset, without most of the
    overhead of ``dataset[i]``, for parts of rows and for runs of rows.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        self._chunks = workload.shuffle and not workload.one_lead
        self._path = files.store if self._chunks else files.contiguous
        self._workload = workload
        self._scale = np.float32(files.mv_per_count)
        self._labels = torch.from_numpy(np.load(files.labels))
        self._opened_by: int | None = None

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        if self._opened_by != os.getpid():
            self._open()
        shape = (len(rows), *self._record)
        signals: NDArray[Any]
        if self._workload.dtype == "float32":
            signals = np.empty(shape, np.float32)
            counts: NDArray[np.int16] = np.empty((1, *self._record), np.int16)
            for i, row in enumerate(rows):
                self._read([row], counts)
                signals[i] = counts[0]
                signals[i] *= self._scale
        else:
            signals = np.empty(shape, np.int16)
            self._read(rows, signals)
        numbers = torch.tensor(rows)
        return numbers, torch.from_numpy(signals), self._labels[numbers]

    def _open(self) -> None:
        """Open the file in this process."""
        self._file = h5py.File(self._path, "r")
        self._dataset = self._file["signals"].id
        leads, samples = (
            range(n)[selected]
            for n, selected in zip(
                self._dataset.shape[1:],
                (self._workload.leads, self._workload.samples),
                strict=True,
            )
        )
        self._record = len(leads), len(samples)
        self._first = leads[0], samples[0]
        self._space = self._dataset.get_space()
        self._opened_by = os.getpid()

    def _read(self, rows: Sequence[int], out: NDArray[np.int16]) -> None:
        """Read rows into an array."""
        if self._chunks:
            # A chunk is one row, not compressed: its bytes are those of the signal.
            content = out.reshape(len(rows), -1).view(np.uint8)
            for i, row in enumerate(rows):
                self._dataset.read_direct_chunk((row, 0, 0), out=content[i])
            return
        for begin, end in _runs(rows):
            shape = (end - begin, *self._record)
            self._space.select_hyperslab((rows[begin], *self._first), shape)
            memory = h5py.h5s.create_simple(shape)
            self._dataset.read(memory, self._space, out[begin:end])


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of every run of consecutive rows."""
    ends = np.flatnonzero(np.diff(rows) != 1) + 1
    yield from zip([0, *ends.tolist()], [*ends.tolist(), len(rows)], strict=True)


class _Loader:
    """A DataLoader that reads the rows in the order of the epoch."""

    n_workers = 0

    def __init__(self, files: Files, workload: Workload) -> None:
        self._order = EpochOrder()
        self._loader = self._make(files, workload)

    def _make(self, files: Files, workload: Workload) -> Iterable[Any]:
        """Return the DataLoader."""
        raise NotImplementedError

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the DataLoader, with the rows of this epoch in its sampler."""
        self._order.rows = rows.tolist()
        return self._loader


class Plain(_Loader):
    """The common Dataset, collated by PyTorch's default."""

    def _make(self, files: Files, workload: Workload) -> Iterable[Any]:
        return DataLoader(
            OneByOne(files, workload),
            BATCH_SIZE,
            sampler=self._order,
            num_workers=self.n_workers,
            persistent_workers=self.n_workers > 0,
        )


class Plain2(Plain):
    """The same loader with two worker processes."""

    n_workers = 2


class Tuned(_Loader):
    """Whole batches from a batch sampler, not collated."""

    def _make(self, files: Files, workload: Workload) -> Iterable[Any]:
        return DataLoader(
            Batches(files, workload),
            batch_size=None,
            sampler=BatchSampler(self._order, BATCH_SIZE, drop_last=False),
            num_workers=self.n_workers,
            persistent_workers=self.n_workers > 0,
        )


class Tuned2(Tuned):
    """The same loader with two worker processes."""

    n_workers = 2
