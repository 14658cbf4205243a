"""The files, workloads and interface of the loaders; needs NumPy only.

A loader is made from `Files` and a `Workload` and yields one epoch at a time.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

BATCH_SIZE: Final = 64

SEED: Final = 0

FOLD: Final = 9
"""The fold that the workload "one fold of ten" selects."""

Batch: TypeAlias = tuple[Any, Any, Any]
"""Rows, signals and labels: arrays or tensors."""


@dataclass(frozen=True)
class Files:
    """Paths of the same rows in several formats.

    Attributes
    ----------
    store : str
        An ecgstore store.
    signals : str
        int16 counts as .npy, of shape (n_rows, 12, n_samples).
    contiguous : str
        The same as the dataset ``signals`` of an HDF5 file, not chunked.
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
        """Return the files that `repeated_records.make_files` wrote to a folder."""
        return cls(**json.loads(index_of(folder).read_text(encoding="utf-8"))["files"])

    @property
    def folder(self) -> Path:
        """The folder of all files."""
        return Path(self.store).parent

    def own_folder(self, module: str) -> Path:
        """Return the folder of the files that only a loader's module reads."""
        return self.folder / module


def index_of(folder: str | Path) -> Path:
    """Return the path of the file that lists all others and is written last."""
    return Path(folder, "files.json")


@dataclass(frozen=True)
class Workload:
    """The batches that a loader must yield.

    Attributes
    ----------
    name : str
        Name in tables.
    dtype : str
        int16 counts, or float32 mV.
    shuffle : bool
        Whether every epoch has a new random order, or the order of rows.
    selected : bool
        Whether only the rows of fold 9 are read.
    one_lead : bool
        Whether only the first 1,000 samples of lead II are read.
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
        """The leads that are read."""
        return slice(1, 2) if self.one_lead else slice(None)

    @property
    def samples(self) -> slice:
        """The samples that are read."""
        return slice(0, 1000) if self.one_lead else slice(None)


WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        Workload("shuffled int16"),
        Workload("shuffled float32 mV", dtype="float32"),
        Workload("sequential int16", shuffle=False),
        Workload("one fold of ten", selected=True, repeats=5),
        Workload("one lead, 1,000 samples", one_lead=True, repeats=3),
    )
}


class Loader(Protocol):
    """One way to load, made for one workload.

    Some loaders also have ``state()``, the position within an epoch, and
    ``resume(state)``, the batches that are left of it. Loaders with threads have a
    ``close()``. Loaders with files of their own have a static method
    ``prepare(files, folder)`` that writes them. Modules in `bench.loading.peers` list
    in ``LIBRARIES`` the distributions whose versions matter.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        """Open the files, and do all else that is done once."""

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the batches of the next epoch.

        `rows` is an order that was drawn before the clock started; loaders that draw
        the order themselves ignore it. Signals must be copies, because a network cannot
        be trained on mapped pages of a file that were not read yet.
        """


def rows_of_epoch(files: Files, workload: Workload, number: int) -> NDArray[np.int64]:
    """Return the rows of an epoch, in the order in which loaders may read them."""
    rows: NDArray[np.int64] = (
        np.load(files.selected) if workload.selected else np.arange(files.n_rows)
    )
    if workload.shuffle:
        np.random.default_rng([SEED, number]).shuffle(rows)
    return rows


def batches_of(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of every batch; the last batch may be smaller."""
    for begin in range(0, len(rows), BATCH_SIZE):
        yield rows[begin : begin + BATCH_SIZE]
