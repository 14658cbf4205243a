"""The standard pipe in one call, to be iterated over once per epoch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Self, TypeAlias

import torch
import torch.distributed
from torchdata.nodes import BaseNode

from ecgstore.errors import EcgStoreError
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.nodes.device import ToDevice, device_of
from ecgstore.pipes.nodes.map import Map
from ecgstore.pipes.nodes.prefetch import Prefetch
from ecgstore.pipes.nodes.read import Read
from ecgstore.pipes.nodes.rows import Rows, as_selection
from ecgstore.pipes.orders.order import Order, Sequential, Shuffled
from ecgstore.pipes.reading.buffers import Buffers
from ecgstore.pipes.reading.record_reader import RecordReader
from ecgstore.pipes.reading.sharing import WorkSharing
from ecgstore.pipes.reading.window import Window
from ecgstore.storage import Selection, Store

Transform: TypeAlias = Callable[[Batch], Batch]


def loader(
    records: Selection | Store,
    batch_size: int = 64,
    *,
    shuffle: bool = False,
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
    """Make a loader of batches: rows, read, transform, prefetch, device.

    Parameters
    ----------
    records : Selection or Store
        What to load: ``store.select(...)``, or all of a store.
    batch_size : int
        Records of a batch, in each process.
    shuffle : bool
        Take the records in a random order, another one in each epoch.
    seed : int
        For the order and everything else that is random.
    order : Order, optional
        Another order than these two, such as ``ClassBalanced(...)``; it brings its own
        seed.
    fields : iterable of str
        Any of ``"signals"``, ``"labels"``, ``"features"``, ``"fiducials"``,
        ``"r_peaks"``, of the columns of `Store.records`, and of the names of attached
        deep features (`Store.attach`).
    dtype : {"float32", "int16"}
        Signals in mV; or the stored counts of `Batch.mv_per_count` mV, which is faster
        where they can be scaled later.
    leads : iterable of str, optional
        Names of the leads, in the order wanted; all twelve if left out.
    window : tuple of int or RandomCrop, optional
        First sample and the one after the last, or a random window. Only the bytes in
        it are read.
    transform : callable or sequence of callable
        Functions from a batch to a batch, such as ``Augment(...)`` and a fitted
        ``Standardise``. They run in the prefetching thread, or on the GPU after the
        copy.
    device : torch.device or str, optional
        Where batches go; the host's memory if left out.
    rank, world_size : int, optional
        Which of how many processes this is; those of torch.distributed where that is
        initialised, else the only one.
    drop_last : bool
        Leave out the rest of an epoch that does not fill a batch.
    prefetch : int
        How many batches to be ahead of the consumer, in one thread; 0 for no thread.

    Returns
    -------
    Loader

    Raises
    ------
    EcgStoreError
        If no record is selected.
    TypeError
        If an argument is of another kind, such as an order that is none.
    ValueError
        If an argument is not one of those, or they do not fit together, or a CUDA
        device is not there.

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
            f"shuffle=True and order={order!r}; expected one of them: an order says "
            "itself how records are shuffled"
        )
    if order is None:
        n = len(selection)
        order = Shuffled(n, seed) if shuffle else Sequential(n)
    rank, world_size = _place(rank, world_size)
    rows = Rows(
        selection,
        order,
        batch_size,
        seed=seed,
        rank=rank,
        world_size=world_size,
        drop_last=drop_last,
    )
    target = device_of("cpu" if device is None else device)
    on_gpu = target.type != "cpu"
    is_scaled_there = on_gpu and selection.store.dtype == "int16"
    sharing = WorkSharing()
    reader = RecordReader(
        selection.store,
        fields,
        dtype="int16" if is_scaled_there else dtype,
        leads=leads,
        window=window,
        # On a GPU's behalf, the batch that is being copied holds one more.
        buffers=Buffers(max(prefetch, 1) + 1 + on_gpu, pinned=target.type == "cuda"),
        sharing=sharing,
    )
    node: BaseNode[Batch] = Read(rows, reader)
    transforms = [transform] if callable(transform) else list(transform)
    if not on_gpu:
        node = _mapped(node, transforms)
    ahead: Prefetch[Batch] | None = None
    if prefetch:
        node = ahead = Prefetch(node, prefetch, sharing)
    if on_gpu:
        node = ToDevice(node, target, in_mv=dtype == "float32")
        node = _mapped(node, transforms)
    return Loader(node, rows, ahead)


class Loader:
    """Batches of a pipe, epoch by epoch; made by `loader`.

    Each ``for`` begins an epoch: the first one that of `set_epoch` or the rest of the
    one that was loaded by `load_state_dict`, every other one the next. Leaving the
    loop early ends the epoch, its thread included.

    Parameters
    ----------
    root : BaseNode
        The last node.
    rows : Rows
        The first one.
    ahead : Prefetch, optional
        The one with a thread.
    """

    def __init__(
        self, root: BaseNode[Batch], rows: Rows, ahead: "Prefetch[Batch] | None"
    ) -> None:
        self._root: BaseNode[Batch] | None = root
        self._rows = rows
        self._ahead = ahead
        self._state: dict[str, Any] = root.state_dict()
        self._is_at_state = True
        self._n_loops = 0

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, in this process."""
        return len(self._rows)

    @property
    def epoch(self) -> int:
        """The epoch that the next batch belongs to, from 0."""
        epoch: int = self._state["epoch"]
        return epoch

    def __iter__(self) -> Iterator[Batch]:
        """Begin an epoch, or go on where a loaded state says."""
        root = self._open_root()
        if not self._is_at_state:
            root.reset(None)
            self._state = root.state_dict()
        self._is_at_state = False
        self._n_loops += 1
        return self._batches(self._n_loops)

    def set_epoch(self, epoch: int) -> None:
        """Let the next ``for`` begin a certain epoch.

        The rest of that epoch, if a state in the middle of it was just loaded.

        Parameters
        ----------
        epoch : int
            Which epoch, from 0.
        """
        root = self._open_root()
        if not (self._is_at_state and epoch == self.epoch):
            self._rows.set_epoch(epoch)
            root.reset(None)
            self._state = root.state_dict()
            self._is_at_state = True
            self._n_loops += 1

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is, as of the last batch that was given out.

        Returns
        -------
        dict
            Less than 1 kB of JSON. It can be loaded by a loader of the same records,
            order and seed, with any batch size, fields, threads and number of ranks;
            every rank's state is the same.
        """
        return dict(self._state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next ``for`` yield exactly what was left when the state was saved.

        Parameters
        ----------
        state_dict : dict
            From `state_dict`.

        Raises
        ------
        EcgStoreError
            If the state is of another store, selection, order or seed.
        """
        if not isinstance(state_dict, dict):
            raise EcgStoreError(
                f"the state to resume from is {state_dict!r}; expected what "
                "state_dict() returned"
            )
        self._open_root().reset(state_dict)
        self._state = dict(state_dict)
        self._is_at_state = True
        self._n_loops += 1

    def close(self) -> None:
        """End the thread and forget the pipe; the store stays open."""
        if self._ahead is not None:
            self._ahead.shutdown()
        self._root = self._ahead = None
        self._n_loops += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _batches(self, loop: int) -> Iterator[Batch]:
        """Yield what is left of the epoch."""
        try:
            while True:
                try:
                    # No name for the batch: its memory is free as soon as the loop
                    # goes on to the next one.
                    yield self._next(loop)
                except StopIteration:
                    return
        finally:
            if loop == self._n_loops and self._ahead is not None:
                self._ahead.shutdown()

    def _next(self, loop: int) -> Batch:
        """Return the next batch of a loop, if no other one has begun since."""
        if loop != self._n_loops:
            raise RuntimeError(
                "the loader was closed, set to another place, or iterated over again "
                "since this loop began; make a loader for each loop of its own"
            )
        root = self._open_root()
        try:
            batch: Batch = next(root)
        except StopIteration:
            raise
        except BaseException:
            root.reset(self._state)  # the failed batch was not given out
            raise
        self._state = root.state_dict()
        return batch

    def _open_root(self) -> BaseNode[Batch]:
        """Return the last node, if the loader was not closed."""
        if self._root is None:
            raise RuntimeError("the loader is closed; make a new one")
        return self._root


def _mapped(node: BaseNode[Batch], transforms: Sequence[Transform]) -> BaseNode[Batch]:
    """Return a node that applies functions one after the other."""
    for transform in transforms:
        node = Map(node, transform)
    return node


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return rank and number of ranks, from torch.distributed if not given."""
    if (rank is None) != (world_size is None):
        raise ValueError(
            f"rank is {rank} and world_size is {world_size}; expected both or neither"
        )
    if rank is not None and world_size is not None:
        return rank, world_size
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
