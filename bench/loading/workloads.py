"""What loaders are asked for, and what they must return; needs NumPy alone.

A contestant is made from `Files` and a `Workload`, and goes over one epoch at a time.
What it yields is compared with the plain NumPy definition, `expected`, row by row,
before anything is timed.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

BATCH_SIZE: Final = 64

SEED: Final = 0

FOLD: Final = 9
"""The fold that stands for a selection: a tenth of the records."""

Batch: TypeAlias = tuple[Any, Any, Any]
"""Rows, signals and labels: arrays or tensors."""


@dataclass(frozen=True)
class Files:
    """Where the same rows lie in several forms.

    Attributes
    ----------
    store : str
        An ecgstore store.
    signals : str
        int16 counts as .npy, of shape (n_rows, 12, n_samples).
    contiguous : str
        The same as the dataset ``signals`` of an HDF5 file, not in chunks.
    labels : str
        uint8 labels as .npy, of shape (n_rows, n_classes).
    selected : str
        The rows of fold 9 as .npy.
    n_rows : int
        Number of rows.
    mv_per_count : float
        Millivolts of one count.
    """

    store: str
    signals: str
    contiguous: str
    labels: str
    selected: str
    n_rows: int
    mv_per_count: float

    @classmethod
    def in_folder(cls, folder: str | Path) -> Self:
        """Return what `pipes_data.make_files` left in a folder."""
        return cls(**json.loads(index_of(folder).read_text(encoding="utf-8"))["files"])

    @property
    def folder(self) -> Path:
        """The folder of all of them."""
        return Path(self.store).parent

    def own_folder(self, module: str) -> Path:
        """Return the folder of what a contestant's module prepares for itself."""
        return self.folder / module


def index_of(folder: str | Path) -> Path:
    """Return the path of the file that lists all others and is written last."""
    return Path(folder, "files.json")


@dataclass(frozen=True)
class Workload:
    """What a loader is asked for.

    Attributes
    ----------
    name : str
        What it is called in tables.
    dtype : str
        int16 counts, or float32 mV.
    shuffle : bool
        A new random order in every epoch, or the order of rows.
    selected : bool
        Only the rows of fold 9.
    one_lead : bool
        1,000 samples from the beginning of lead II, instead of everything.
    repeats : int
        Epochs in one round, so that short epochs last long enough to be timed.
    """

    name: str
    dtype: Literal["int16", "float32"] = "int16"
    shuffle: bool = True
    selected: bool = False
    one_lead: bool = False
    repeats: int = 1

    @property
    def leads(self) -> slice:
        """The leads that are asked for."""
        return slice(1, 2) if self.one_lead else slice(None)

    @property
    def samples(self) -> slice:
        """The samples that are asked for."""
        return slice(0, 1000) if self.one_lead else slice(None)


WORKLOADS: Final = {
    each.name: each
    for each in (
        Workload("shuffled int16"),
        Workload("shuffled float32 mV", dtype="float32"),
        Workload("sequential int16", shuffle=False),
        Workload("one fold of ten", selected=True, repeats=5),
        Workload("one lead, 1,000 samples", one_lead=True, repeats=3),
    )
}


class Contestant(Protocol):
    """One way to load, made for one workload.

    Some can also be asked for their ``state()`` within an epoch, and for what is left
    of an epoch by ``resume(state)``; those that keep something running have a
    ``close()``; those with files of their own, a static ``prepare(files, folder)`` that
    writes them. Modules of other environments name the ``LIBRARIES`` whose versions
    matter.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        """Open the files; everything that is done once."""

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the batches of the next epoch.

        Those who take an order from outside go over `rows`, which was drawn before the
        clock started. Others draw their own. Signals are copies: pages of a file that
        are only mapped are no batch to train on.
        """


def rows_of_epoch(files: Files, workload: Workload, number: int) -> NDArray[np.int64]:
    """Return the rows of an epoch, in the order in which they may be read."""
    rows: NDArray[np.int64] = (
        np.load(files.selected) if workload.selected else np.arange(files.n_rows)
    )
    if workload.shuffle:
        np.random.default_rng([SEED, number]).shuffle(rows)
    return rows


def batches_of(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of every batch."""
    for begin in range(0, len(rows), BATCH_SIZE):
        yield rows[begin : begin + BATCH_SIZE]


class Expected:
    """The plain NumPy definition of what is asked for; a contestant by its form."""

    def __init__(self, files: Files, workload: Workload) -> None:
        signals = np.load(files.signals, mmap_mode="r")
        self._signals = signals[:, workload.leads, workload.samples]
        self._labels = np.load(files.labels)
        self._scale = np.float32(files.mv_per_count)
        self._dtype = workload.dtype

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of copies."""
        for some in batches_of(rows):
            signals = np.array(self._signals[some])
            if self._dtype == "float32":
                signals = signals.astype(np.float32) * self._scale
            yield some, signals, self._labels[some]


def content(files: Files, batches: Iterable[Batch]) -> dict[str, Any]:
    """Return digests of everything that an epoch yields.

    Returns
    -------
    dict
        ``records``, ``batches``, ``dtype``, ``shape`` of a record, ``rows``: a digest
        over the checksum of each row's signal and labels and how often the row came;
        ``in_row_order``: whether rows only went up.

    Raises
    ------
    ValueError
        If a batch is not C-contiguous, or of another type or shape than the first.
    """
    checksums = np.zeros(files.n_rows, np.uint32)
    times = np.zeros(files.n_rows, np.uint32)
    n_batches, last, in_row_order = 0, -1, True
    kinds = set()
    for batch in batches:
        rows, signals, labels = (np.asarray(each) for each in batch)
        if not signals.flags.c_contiguous:
            raise ValueError(
                "signals are not C-contiguous; expected a batch of records"
            )
        kinds.add((str(signals.dtype), signals.shape[1:], str(labels.dtype)))
        in_row_order &= bool(np.all(np.diff(rows, prepend=last) > 0))
        n_batches, last = n_batches + 1, rows[-1]
        for row, signal, label in zip(rows.tolist(), signals, labels, strict=True):
            checksums[row] = zlib.crc32(label.tobytes(), zlib.crc32(signal))
            times[row] += 1
    if len(kinds) != 1:
        raise ValueError(f"batches of different kinds: {sorted(kinds)}; expected one")
    [(dtype, shape, label_dtype)] = kinds
    return {
        "records": int(times.sum()),
        "batches": n_batches,
        "dtype": dtype,
        "shape": [*shape],
        "label_dtype": label_dtype,
        "rows": hashlib.sha256(checksums.tobytes() + times.tobytes()).hexdigest(),
        "in_row_order": in_row_order,
    }


def read_every_byte(signals: Any) -> int:
    """Return the sum over a batch as 64-bit words: the cheapest honest consumer."""
    words = np.asarray(signals).reshape(-1).view(np.int64)
    return int(np.add.reduce(words))
