"""What flows through a pipe: numbers of rows first, then records as tensors."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from ecgstore.arrays import BytesArray, IntArray, UInt64Array
from ecgstore.record import LEADS


@dataclass(frozen=True, slots=True, eq=False)
class RowBatch:
    """Which records make up a batch, before any of them is read.

    Attributes
    ----------
    rows : ndarray of shape (n_records,)
        Their rows in the store.
    seeds : ndarray of shape (n_records,)
        A random number for each, which depends on the seed, the epoch and the place in
        the epoch's order only. Whatever is random about a record comes from it, so that
        it does not depend on how records are batched, shared out or resumed.
    """

    rows: IntArray
    seeds: UInt64Array

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some records, as tensors; what was not asked for is None.

    Attributes
    ----------
    rows : Tensor of shape (n_records,)
        Rows in the store, int64.
    seeds : ndarray of shape (n_records,)
        A random number for each record; see `RowBatch`.
    names : ndarray of shape (n_records,)
        Record names in UTF-8; `record_ids` has them as text.
    n_real_samples : Tensor of shape (n_records,)
        Samples from the beginning that are not padding, int64.
    signals : Tensor of shape (n_records, n_leads, n_samples), optional
        Voltages in mV, float32; or counts of `mv_per_count`, int16.
    labels : Tensor of shape (n_records, n_classes), optional
        1 where a record is in a class, uint8.
    features : Tensor of shape (n_records, n_features), optional
        Handcrafted features, float32, NaN where undefined.
    fiducials : Tensor of shape (n_records, n_leads, n_beats, 9), optional
        Sample indices of the marks of `ecgstore.MARKS`, int16, -1 where absent.
    r_peaks : Tensor of shape (n_records, n_beats), optional
        Sample indices of the beats, int16, -1 where absent.
    columns : Mapping
        Columns of the records' table: numbers as tensors, texts as lists. Attached deep
        features by their names: float32 tensors of shape (n_records, n_features).
    mv_per_count : float
        Millivolts of 1 in `signals`: 1.0 for voltages.
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
            f"{each.name} {str(value.dtype).removeprefix('torch.')}{[*value.shape]}"
            for each in fields(self)
            if isinstance(value := getattr(self, each.name), Tensor)
        ]
        return f"<Batch of {len(self)}: {', '.join(parts)}>"

    @property
    def record_ids(self) -> list[str]:
        """The records' names."""
        return [name.decode() for name in self.names.tolist()]

    def to(self, device: torch.device | str | int, non_blocking: bool = False) -> Self:
        """Return the batch with all its tensors on a device.

        Parameters
        ----------
        device : torch.device, str or int
            Where to.
        non_blocking : bool
            Do not wait for copies from pinned memory.
        """
        return self._map(lambda each: each.to(device, non_blocking=non_blocking))

    def pin_memory(self, device: torch.device | str | None = None) -> Self:
        """Return the batch with all its tensors in pinned memory.

        The name and the argument, which is not needed, are those that PyTorch's loaders
        look for.
        """
        del device
        return self._map(Tensor.pin_memory)

    def in_mv(self) -> Self:
        """Return the batch with its signals as float32 voltages in mV."""
        if self.signals is None or self.signals.dtype == torch.float32:
            return self
        # In float32, as the reader computes it on the host: the same bits.
        signals = self.signals.to(torch.float32).mul_(self.mv_per_count)
        return replace(self, signals=signals, mv_per_count=1.0)

    def tensors(self) -> Iterator[Tensor]:
        """Yield every tensor of the batch."""
        for each in fields(self):
            if isinstance(value := getattr(self, each.name), Tensor):
                yield value
        yield from (each for each in self.columns.values() if isinstance(each, Tensor))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the batch with a function applied to every tensor."""
        changed: dict[str, Any] = {
            each.name: function(value)
            for each in fields(self)
            if isinstance(value := getattr(self, each.name), Tensor)
        }
        changed["columns"] = {
            name: function(value) if isinstance(value, Tensor) else value
            for name, value in self.columns.items()
        }
        return replace(self, **changed)
