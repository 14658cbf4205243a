"""The items of a pipe: row numbers first, then records as tensors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from itertools import accumulate
from typing import Any, Final, NoReturn, Self, TypeAlias, TypeVar

import torch
from torch import Tensor

from ecgstore.arrays import BytesArray, IntArray, UInt64Array
from ecgstore.record import LEADS
from ecgstore.similar_names import did_you_mean

T = TypeVar("T")


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


def _names_replace(cls: type[T]) -> type[T]:
    """Let the error of an assignment to a field of a frozen class say what to do."""

    def refuse(self: T, name: str, value: object) -> NoReturn:
        if name not in _BATCH_FIELDS:
            raise FrozenInstanceError(_unknown_field(name))
        raise FrozenInstanceError(
            f"{name} of a batch cannot be assigned; make a changed copy: "
            f"batch = batch.replace({name}=...)"
        )

    cls.__setattr__ = refuse  # type: ignore[method-assign,assignment]
    return cls


@_names_replace
@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Records as tensors; fields that were not read are None.

    A field cannot be assigned: `replace` returns a batch with other values.

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
        1 where a record is in a class, else 0; float32, as losses need them.
    targets : Tensor of shape (n_records, n_targets), optional
        Numbers to predict, float32, NaN where missing.
    features : Tensor of shape (n_records, n_features), optional
        Handcrafted features, float32, NaN where undefined.
    fiducials : Tensor of shape (n_records, n_leads, n_beats, 9), optional
        Sample indices of the marks of `ecgstore.MARKS`, int16, -1 where absent.
    r_peaks : Tensor of shape (n_records, n_beats), optional
        Sample indices of the beats, int16, -1 where absent.
    missing_leads : Tensor of shape (n_records, n_leads), optional
        Which leads each record lacks, bool: its signal is zero there, as in padding.
        None if no record of the store lacks one.
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
    targets: Tensor | None = None
    features: Tensor | None = None
    fiducials: Tensor | None = None
    r_peaks: Tensor | None = None
    missing_leads: Tensor | None = None
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

    def __getitem__(self, key: object) -> NoReturn:
        """Refuse an index, and with it ``x, y = batch``, and name the fields."""
        names = " and ".join(
            f"batch.{name}"
            for name in ("signals", "labels", "features")
            if getattr(self, name) is not None
        )
        raise TypeError(
            "a batch is neither a dict nor a tuple; use its fields"
            + (f", here {names}" if names else "")
        )

    @property
    def record_ids(self) -> list[str]:
        """The ids of the records."""
        return [name.decode() for name in self.names.tolist()]

    def replace(self, **changes: Any) -> Self:
        """Return a batch with other values in some fields; the rest is shared.

        Parameters
        ----------
        **changes
            New values by the names of their fields. A column is added to those of the
            batch with ``columns={**batch.columns, "name": values}``.

        Raises
        ------
        TypeError
            If there is no such field, or a value is not a tensor where it must be.
        ValueError
            If a tensor has another number of records than `rows`.

        Examples
        --------
        >>> def upside_down(batch):
        ...     return batch.replace(signals=-batch.signals)
        """
        for name in changes:
            if name not in _BATCH_FIELDS:
                raise TypeError(_unknown_field(name))
        changed = replace(self, **changes)
        for name in _TENSORS:
            value = getattr(changed, name)
            if value is None and name in _OPTIONAL:
                continue
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"{name} of a batch is {type(value).__name__}; expected a tensor, "
                    "such as torch.from_numpy(...) of an array"
                )
            if value.shape[:1] != changed.rows.shape:
                raise ValueError(
                    f"{name} of a batch has shape {[*value.shape]}; expected "
                    f"{len(changed)} records, as many as rows, on the first axis"
                )
        return changed

    def split(self, sizes: Sequence[int]) -> list[Self]:
        """Divide a batch on the CPU into those of successive records, without copying.

        Their tensors are independent ones that share memory.

        Parameters
        ----------
        sizes : sequence of int
            Number of records of each; together all records.
        """
        if len(sizes) == 1:
            return [self]
        ends = list(accumulate(sizes))
        slices = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        shared = {field_.name: getattr(self, field_.name) for field_ in fields(self)}
        parts: list[dict[str, Any]] = [dict(shared) for _ in slices]
        for name, tensor in self._tensor_fields():
            array = tensor.numpy()
            for one, part in zip(slices, parts, strict=True):
                part[name] = torch.from_numpy(array[one])
        for one, part in zip(slices, parts, strict=True):
            part["seeds"], part["names"] = self.seeds[one], self.names[one]
            part["columns"] = {
                name: torch.from_numpy(values.numpy()[one])
                if isinstance(values, Tensor)
                else values[one]
                for name, values in self.columns.items()
            }
        return [type(self)(**part) for part in parts]

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
        return self.replace(signals=signals, mv_per_count=1.0)

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


_BATCH_FIELDS: Final = tuple(field_.name for field_ in fields(Batch))
"""The names of all fields of a batch."""

_OPTIONAL: Final = (
    "signals",
    "labels",
    "targets",
    "features",
    "fiducials",
    "r_peaks",
    "missing_leads",
)
"""The fields that are tensors with a row per record, or None if they were not read."""

_TENSORS: Final = ("rows", "n_real_samples", *_OPTIONAL)
"""`_OPTIONAL`, and those that are never None."""


def _unknown_field(name: str) -> str:
    """Return what an error says of a name that no field of a batch has."""
    return (
        f"a batch has no field {name!r}; {did_you_mean(name, _BATCH_FIELDS)}expected "
        f"one of {', '.join(_BATCH_FIELDS)}; other values go into columns"
    )


Transform: TypeAlias = Callable[[Batch], Batch]
"""A function of a batch that returns a batch."""
