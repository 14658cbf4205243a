"""The items of a pipe: row numbers first, then records as tensors."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor

from ecgstore.arrays import BytesArray, IntArray, UInt64Array
from ecgstore.record import LEADS


@dataclass(frozen=True, slots=True, eq=False)
class RowBatch:
    """The rows of a batch, before the records are read.

    Attributes
    ----------
    rows : ndarray of shape (n_records,)
        Rows of the records in the store, int64.
    seeds : ndarray of shape (n_records,)
        A random number per record, uint64. It depends on the loader's seed, the epoch
        and the position in the epoch's order only. Crops and augmentations are drawn
        from it, so they do not depend on batch size, number of ranks or resuming.
    """

    rows: IntArray
    seeds: UInt64Array

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Records as tensors; fields that were not read are None.

    Attributes
    ----------
    rows : Tensor of shape (n_records,)
        Rows in the store, int64.
    seeds : ndarray of shape (n_records,)
        A random number per record; see `RowBatch`.
    names : ndarray of shape (n_records,)
        Record ids in UTF-8; `record_ids` has them as str.
    n_real_samples : Tensor of shape (n_records,)
        Number of samples before the padding, int64.
    signals : Tensor of shape (n_records, n_leads, n_samples), optional
        Voltages in mV, float32; or counts of `mv_per_count` mV, int16.
    labels : Tensor of shape (n_records, n_classes), optional
        1 where a record is in a class, uint8.
    features : Tensor of shape (n_records, n_features), optional
        Handcrafted features, float32, NaN where undefined.
    fiducials : Tensor of shape (n_records, n_leads, n_beats, 9), optional
        Sample indices of the marks of `ecgstore.MARKS`, int16, -1 where absent.
    r_peaks : Tensor of shape (n_records, n_beats), optional
        Sample indices of the beats, int16, -1 where absent.
    columns : Mapping
        Columns of the table of records by name: numbers as tensors, texts as lists of
        str. Attached deep features by name: float32 tensors of shape (n_records,
        n_features).
    mv_per_count : float
        Factor from `signals` to mV: 1.0 for voltages.
    leads : tuple of str
        Names of the leads, in the order of `signals`.
    fs : float
        Sampling rate of the signals in Hz.
    """

    rows: Tensor
    seeds: UInt64Array
    names: BytesArray
    n_real_samples: Tensor
    signals: Tensor | None = None
    labels: Tensor | None = None
    features: Tensor | None = None
    fiducials: Tensor | None = None
    r_peaks: Tensor | None = None
    columns: Mapping[str, Tensor | list[str]] = field(default_factory=dict)
    mv_per_count: float = 1.0
    leads: tuple[str, ...] = LEADS
    fs: float = 500.0

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        parts = [
            f"{name} {str(tensor.dtype).removeprefix('torch.')}{[*tensor.shape]}"
            for name, tensor in self._tensor_fields()
        ]
        return f"<Batch of {len(self)}: {', '.join(parts)}>"

    @property
    def record_ids(self) -> list[str]:
        """The ids of the records."""
        return [name.decode() for name in self.names.tolist()]

    def to(self, device: torch.device | str | int, non_blocking: bool = False) -> Self:
        """Return the batch with all its tensors on a device.

        Parameters
        ----------
        device : torch.device, str or int
            The device.
        non_blocking : bool
            Do not wait for copies from pinned memory.
        """
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self, device: torch.device | str | None = None) -> Self:
        """Return the batch with all its tensors in pinned memory.

        PyTorch's loaders call this method by its name, with a device that is ignored.
        """
        del device
        return self._map(Tensor.pin_memory)

    def in_mv(self) -> Self:
        """Return the batch with its signals as float32 voltages in mV."""
        if self.signals is None or self.signals.dtype == torch.float32:
            return self
        # In float32 and by the same operation as the reader on the host: the same bits.
        signals = self.signals.to(torch.float32).mul_(self.mv_per_count)
        return replace(self, signals=signals, mv_per_count=1.0)

    def tensors(self) -> Iterator[Tensor]:
        """Yield every tensor of the batch."""
        yield from (tensor for _, tensor in self._tensor_fields())
        for column in self.columns.values():
            if isinstance(column, Tensor):
                yield column

    def _tensor_fields(self) -> Iterator[tuple[str, Tensor]]:
        """Yield name and value of every field that is a tensor."""
        for field_ in fields(self):
            if isinstance(value := getattr(self, field_.name), Tensor):
                yield field_.name, value

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the batch with a function applied to every tensor."""
        changed: dict[str, Any] = {
            name: function(tensor) for name, tensor in self._tensor_fields()
        }
        changed["columns"] = {
            name: function(value) if isinstance(value, Tensor) else value
            for name, value in self.columns.items()
        }
        return replace(self, **changed)


Transform: TypeAlias = Callable[[Batch], Batch]
"""A function of a batch that returns a batch."""
