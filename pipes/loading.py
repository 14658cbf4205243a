"""`loader`: the standard pipe in one call, and the `Loader` that it returns.

The module is not called ``loader``, because a submodule of that name would hide the
public function `ecgstore.pipes.loader`.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
import torch
import torch.distributed
from torchdata.nodes import BaseNode

from ecgstore.errors import EcgStoreError
from ecgstore.pipes.arguments import require_functions
from ecgstore.pipes.batch import Batch, Transform
from ecgstore.pipes.devices import available_device
from ecgstore.pipes.fusing.fused import Fused, fuse
from ecgstore.pipes.nodes.device import ToDevice
from ecgstore.pipes.nodes.map import Map
from ecgstore.pipes.nodes.prefetch import Prefetch
from ecgstore.pipes.nodes.read import Read
from ecgstore.pipes.nodes.rows import Rows, as_selection
from ecgstore.pipes.orders.block_shuffled import BlockShuffled
from ecgstore.pipes.orders.order import Order
from ecgstore.pipes.orders.sequential import Sequential
from ecgstore.pipes.orders.shuffled import Shuffled
from ecgstore.pipes.reading.buffers import Buffers
from ecgstore.pipes.reading.record_reader import RecordReader
from ecgstore.pipes.reading.sharing import WorkSharing
from ecgstore.pipes.reading.window import Window
from ecgstore.storage import Selection, Store
from ecgstore.storage.remote.line import AHEAD_BYTES
from ecgstore.storage.remote.object_reader import Transfers
from ecgstore.storage.remote.units import BLOCK_ROWS

_WINDOW_BLOCKS: Final = 64
"""Blocks of `BLOCK_ROWS` that are shuffled together of a store at a URL: windows of
61 MB of 10 s at 500 Hz; of longer records fewer blocks."""


def loader(
    records: Selection | Store,
    batch_size: int = 64,
    *,
    shuffle: bool | Literal["full"] = False,
    seed: int = 0,
    order: Order | None = None,
    fields: Iterable[str] = ("signals", "labels"),
    dtype: Literal["float32", "int16"] = "float32",
    leads: Iterable[str] | None = None,
    window: Window = None,
    transform: Transform | Sequence[Transform] = (),
    device: torch.device | str | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    drop_last: bool = False,
    prefetch: int = 1,
) -> "Loader":
    """Make a loader of batches: the nodes rows, read, transform, prefetch and device.

    Parameters
    ----------
    records : Selection or Store
        The records: ``store.select(...)``, or all records of a store.
    batch_size : int
        Records of a batch, per process.
    shuffle : bool or "full"
        Take the records in a random order, another one in each epoch. Of a store at a
        URL, True shuffles blocks of 8 records in windows of 64 blocks, so that
        neighbours are fetched together (`BlockShuffled`; its mixing is .91 of 1);
        "full" shuffles all records.
    seed : int
        Seed of the shuffling, the random crops and the augmentations.
    order : Order, optional
        Another order, such as ``ClassBalanced(...)``, which has its own seed.
    fields : iterable of str
        Any of ``"signals"``, ``"labels"``, ``"features"``, ``"fiducials"``,
        ``"r_peaks"``, ``"targets"`` if the store has some, of the columns of
        `Store.records`, and of the names of attached deep features (`Store.attach`).
    dtype : {"float32", "int16"}
        Signals in mV, or the stored counts of `Batch.mv_per_count` mV, which are faster
        to read.
    leads : iterable of str, optional
        Names of the leads, in the order of the batch; all of the store if left out.
    window : tuple of int or RandomCrop, optional
        (begin, end) in samples, `end` not included, or a random crop; the whole record
        if left out. No other samples are read.
    transform : callable or sequence of callable
        Functions from a batch to a batch, such as ``Augment(...)`` and a fitted
        ``Standardise``. They run in the prefetching thread, or on the GPU after the
        copy.
    device : torch.device or str, optional
        Device of the batches; the CPU if left out.
    rank, world_size : int, optional
        Rank of this process and number of processes. If left out, they are those of
        torch.distributed if it is initialised, else 0 and 1.
    drop_last : bool
        Leave out the rest of an epoch that does not fill a batch of every rank.
    prefetch : int
        Number of batches to read ahead, in one thread; 0 for no thread. Batches below
        1 MB are read in the loop, several at a time, unless the store is at a URL or a
        transform is a function of your own.

    Returns
    -------
    Loader

    Raises
    ------
    EcgStoreError
        If no record is selected.
    TypeError
        If an argument is of a wrong type.
    ValueError
        If an argument has a wrong value, or arguments contradict each other.
    ConfigError
        If this machine does not have the device.

    Examples
    --------
    >>> import ecgstore
    >>> from ecgstore import pipes
    >>> store = ecgstore.open("challenge.h5")  # doctest: +SKIP
    >>> train = store.select(folds=range(8))  # doctest: +SKIP
    >>> for batch in pipes.loader(train, 256, shuffle=True):  # doctest: +SKIP
    ...     print(batch.signals.shape)
    """
    selection = as_selection(records)
    if shuffle and order is not None:
        raise ValueError(
            f"shuffle=True and order={order!r}; expected one of the two, because an "
            "order determines how records are shuffled"
        )
    if order is None:
        order = _order(selection, seed, shuffle)
    rank, world_size = _rank_and_world_size(rank, world_size)
    rows = Rows(
        selection,
        order,
        batch_size,
        seed=seed,
        rank=rank,
        world_size=world_size,
        drop_last=drop_last,
    )
    target = available_device("cpu" if device is None else device)
    on_gpu = target.type != "cpu"
    copies_counts = on_gpu and selection.store.dtype == "int16"
    sharing = WorkSharing()
    transforms = fuse(require_functions("transform", transform))
    while_reading: list[Transform] = []
    if not on_gpu and transforms and isinstance(transforms[0], Fused):
        while_reading = [transforms.pop(0)]
    reader = RecordReader(
        selection.store,
        fields,
        dtype="int16" if copies_counts else dtype,
        leads=leads,
        window=window,
        transform=while_reading,
        # With a GPU, the batch that is being copied needs another block.
        buffers=Buffers(max(prefetch, 1) + 1 + on_gpu, pinned=target.type == "cuda"),
        sharing=sharing,
    )
    node: BaseNode[Batch] = Read(rows, reader)
    if not on_gpu:
        node = _mapped(node, transforms)
    prefetcher: Prefetch[Batch] | None = None
    # To hand a small batch over from a thread takes longer than to read it. What a
    # user's function takes is not known.
    is_small = reader.record_bytes * batch_size < WorkSharing.min_bytes
    is_plain = all(map(_is_own, transforms))
    is_local = not selection.store.is_remote
    if prefetch and not (is_small and is_plain and is_local and not on_gpu):
        # What users' functions do may be changed between epochs, and a batch from a URL
        # that nobody wants costs money, unless it is in the cache.
        node = prefetcher = Prefetch(
            node,
            prefetch,
            sharing,
            in_consumer=is_plain and not on_gpu,
            begins_next=is_plain,
            is_near=lambda: not reader.fetches,
        )
    if on_gpu:
        node = ToDevice(node, target, in_mv=dtype == "float32")
        node = _mapped(node, transforms)
    return Loader(node, rows, prefetcher, reader.row_bytes)


def _order(selection: Selection, seed: int, shuffle: bool | Literal["full"]) -> Order:
    """Return the order of an epoch.

    Raises
    ------
    ValueError
        If `shuffle` is none of its values.
    """
    if shuffle not in (True, False, "full"):
        raise ValueError(f"shuffle is {shuffle!r}; expected True, False or 'full'")
    n, store = len(selection), selection.store
    if not shuffle:
        return Sequential(n)
    if store.is_remote and shuffle != "full":
        row_bytes = store.n_leads * store.n_samples * np.dtype(store.dtype).itemsize
        blocks = AHEAD_BYTES // (BLOCK_ROWS * max(1, row_bytes))
        return BlockShuffled(n, seed, BLOCK_ROWS, max(1, min(blocks, _WINDOW_BLOCKS)))
    return Shuffled(n, seed)


@dataclass(frozen=True, slots=True)
class LoaderStatistics:
    """What a loader has done since it was made.

    Attributes
    ----------
    n_batches, n_records : int
        What its loops have got.
    wait_s : float
        Seconds that loops have waited for batches.
    n_read_bytes : int
        Bytes of the signals in them, as they are stored.
    transfers : Transfers
        What was transferred meanwhile for a store at a URL, for whatever purpose.
    """

    n_batches: int
    n_records: int
    wait_s: float
    n_read_bytes: int
    transfers: Transfers

    @property
    def hits(self) -> float:
        """Part of the bytes of the signals that was here already, at least."""
        if not self.n_read_bytes:
            return 1.0
        return max(0.0, 1 - self.transfers.n_bytes / self.n_read_bytes)


class Loader:
    """Batches of a pipe, epoch by epoch; made by `loader`.

    Every ``for`` loop is one epoch: after `set_epoch` the epoch that was set, after
    `load_state_dict` the rest of the epoch of that state, else the next epoch. Leaving
    a loop early ends its epoch and its thread.

    Parameters
    ----------
    root : BaseNode
        The last node of the pipe.
    rows : Rows
        The first node.
    prefetcher : Prefetch, optional
        The node with a thread, if there is one.
    row_bytes : int
        Bytes of signals that are read for a record, for `statistics`.
    """

    def __init__(
        self,
        root: BaseNode[Batch],
        rows: Rows,
        prefetcher: "Prefetch[Batch] | None",
        row_bytes: int = 0,
    ) -> None:
        self._root: BaseNode[Batch] | None = root
        self._rows = rows
        self._prefetcher = prefetcher
        self._state: dict[str, Any] = root.state_dict()
        self._is_at_state = True
        self._is_over = False  # the last loop ended with its epoch
        self._n_loops = 0
        self._store = rows.selection.store
        self._begun = self._store.transfers
        self._row_bytes = row_bytes
        self._n_batches = self._n_records = 0
        self._wait_s = 0.0

    @property
    def statistics(self) -> LoaderStatistics:
        """Batches, waits, and what was transferred since the loader was made."""
        return LoaderStatistics(
            self._n_batches,
            self._n_records,
            self._wait_s,
            self._n_records * self._row_bytes,
            self._store.transfers - self._begun,
        )

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch in this process."""
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<ecgstore.Loader of {len(self)} batches an epoch, epoch {self.epoch}>"

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, from 0."""
        epoch: int = self._state["epoch"]
        return epoch

    def __iter__(self) -> Iterator[Batch]:
        """Begin an epoch, or resume the epoch of a loaded state."""
        root = self._open_root()
        if not self._is_at_state:
            root.reset(None)
            self._state = root.state_dict()
        self._is_at_state = self._is_over = False
        self._n_loops += 1
        return self._batches(self._n_loops)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next ``for`` loop.

        If a state from the middle of the same epoch was just loaded, the loop yields
        the rest of that epoch.

        Parameters
        ----------
        epoch : int
            The epoch, from 0.
        """
        root = self._open_root()
        if self._is_over and epoch == self.epoch:
            return  # it is the next one, and is begun already
        if not (self._is_at_state and epoch == self.epoch):
            if self._prefetcher is not None:
                self._prefetcher.shutdown()
            self._rows.set_epoch(epoch)
            root.reset(None)
            self._state = root.state_dict()
            self._is_at_state, self._is_over = True, False
            self._n_loops += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the loader after the last batch that it yielded.

        Returns
        -------
        dict
            Less than 1 kB of JSON. It can be loaded by a loader with the same records,
            order and seed, whatever its batch size, fields, prefetching and number of
            ranks. The states of all ranks are equal.
        """
        return dict(self._state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next ``for`` loop yield exactly the rest of the state's epoch.

        Parameters
        ----------
        state_dict : dict
            A result of `state_dict`.

        Raises
        ------
        EcgStoreError
            If the state was saved with another store, selection, order or seed.
        """
        if not isinstance(state_dict, dict):
            raise EcgStoreError(
                f"the state to resume from is {state_dict!r}; expected a dict that "
                "state_dict() returned"
            )
        self._open_root().reset(state_dict)
        self._state = dict(state_dict)
        self._is_at_state, self._is_over = True, False
        self._n_loops += 1

    def close(self) -> None:
        """End the thread and drop the pipe; the store stays open."""
        if self._prefetcher is not None:
            self._prefetcher.shutdown()
        self._root = self._prefetcher = None
        self._n_loops += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _batches(self, loop: int) -> Iterator[Batch]:
        """Yield the rest of the epoch."""
        is_left = True
        try:
            while True:
                try:
                    # Not assigned to a name, so that the memory of the batch is free
                    # as soon as the loop continues.
                    yield self._next(loop)
                except StopIteration:
                    is_left, self._is_over = False, True
                    return
        finally:
            is_latest = loop == self._n_loops
            if is_left and is_latest and self._prefetcher is not None:
                self._prefetcher.shutdown()

    def _next(self, loop: int) -> Batch:
        """Return the next batch of a loop, if it is the latest loop."""
        if loop != self._n_loops:
            raise RuntimeError(
                "the loader was closed, set to another epoch or state, or iterated "
                "over again since this loop began; use one loader per concurrent loop"
            )
        root = self._open_root()
        begin = time.perf_counter()
        try:
            # A batch may be made in this thread, and may be kept for a training.
            with torch.inference_mode(False):
                batch: Batch = next(root)
        except StopIteration:
            raise
        except BaseException:
            root.reset(self._state)  # the failed batch was not yielded
            raise
        self._wait_s += time.perf_counter() - begin
        self._state = root.state_dict()
        self._n_batches += 1
        self._n_records += len(batch)
        return batch

    def _open_root(self) -> BaseNode[Batch]:
        """Return the last node, unless the loader is closed."""
        if self._root is None:
            raise RuntimeError("the loader is closed; make a new one")
        return self._root


def _is_own(transform: Transform) -> bool:
    """Return whether a transform is one of this package, which have no state."""
    return type(transform).__module__.startswith(f"{__package__}.")


def _mapped(node: BaseNode[Batch], transforms: Sequence[Transform]) -> BaseNode[Batch]:
    """Return a node that applies functions to the batches of a node, in turn."""
    for transform in transforms:
        node = Map(node, transform)
    return node


def _rank_and_world_size(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return rank and number of ranks, by default those of torch.distributed."""
    if (rank is None) != (world_size is None):
        raise ValueError(
            f"rank is {rank} and world_size is {world_size}; expected both or neither"
        )
    if rank is not None and world_size is not None:
        return rank, world_size
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
