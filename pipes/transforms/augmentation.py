"""What every augmentation shares: whom it changes, what it draws, what stays zero."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, FloatArray, UInt64Array
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.orders.permutation import mix

Range: TypeAlias = tuple[float, float]
"""The lowest and the highest of the values to draw from, evenly."""

_NUMBERS: Final = 1
"""Key of the numbers drawn for a record, which are functions of its state."""


class Draws:
    """Random numbers for the records of a batch, each a function of its record's seed.

    Parameters
    ----------
    seeds : ndarray of shape (n_records,)
        `Batch.seeds`.
    salt : int
        Makes the numbers differ from those of another kind of augmentation.
    """

    def __init__(self, seeds: UInt64Array, salt: int) -> None:
        self._states = mix(salt, seeds)
        self._n_drawn = 0

    def uniform(
        self, low: float = 0.0, high: float = 1.0, shape: Sequence[int] = ()
    ) -> FloatArray:
        """Draw numbers from `low` up to, but not including, `high`.

        Parameters
        ----------
        low, high : float
            The range.
        shape : sequence of int
            How many for each record.

        Returns
        -------
        ndarray of shape (n_records, *shape)
            Other numbers at every call.
        """
        count = int(np.prod(shape, dtype=np.int64))
        places = np.arange(self._n_drawn, self._n_drawn + count, dtype=np.uint64)
        self._n_drawn += count
        fractions = unit_fractions(mix(_NUMBERS, self._states[:, np.newaxis] + places))
        return (low + (high - low) * fractions).reshape(len(self._states), *shape)


def unit_fractions(numbers: UInt64Array) -> FloatArray:
    """Return the upper 53 bits of every number as a fraction of 1, below 1."""
    return np.asarray(numbers >> np.uint64(11), np.float64) * 2.0**-53


@dataclass(frozen=True, kw_only=True)
class Augmentation(ABC):
    """A random change of the signals of some records of a batch.

    What happens to a record depends on its seed (`Batch.seeds`) and on nothing else:
    not on the batch it came in, its place there, or the number of threads. The
    batch's signals are changed in place, for they belong to the batch; whatever else
    changes is replaced in the batch returned. Samples at and after `n_real_samples`
    stay zero.

    A new augmentation is a frozen dataclass that implements `apply`.

    Parameters
    ----------
    probability : float
        Part of the records that are changed.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(
                f"probability is {self.probability!r}; expected a number from 0 to 1"
            )

    def __call__(self, batch: Batch) -> Batch:
        """Change a batch of float32 voltages.

        Parameters
        ----------
        batch : Batch
            Its signals are changed in place.

        Returns
        -------
        Batch
            The batch to go on with.

        Raises
        ------
        ValueError
            If the batch has no signals.
        TypeError
            If its signals are not float32.
        """
        signals_in_mv(batch, type(self).__name__)
        draws = self._draws(batch)
        chosen = draws.uniform() < self.probability
        return self.apply(batch, chosen, draws) if chosen.any() else batch

    @abstractmethod
    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Change the chosen records.

        Parameters
        ----------
        batch : Batch
            Its signals are float32 mV, shape (n_records, n_leads, n_samples).
        chosen : ndarray of shape (n_records,)
            Which records to change; at least one.
        draws : Draws
            Where all randomness comes from.
        """

    def _draws(self, batch: Batch) -> Draws:
        """Return numbers that another kind of augmentation does not get."""
        return Draws(batch.seeds, zlib.crc32(type(self).__name__.encode()))

    def describe(self) -> dict[str, Any]:
        """Return the kind and every setting, for a log or beside a trained model."""
        return {"kind": type(self).__name__, **asdict(self)}


def signals_in_mv(batch: Batch, who: str) -> Tensor:
    """Return a batch's signals, which must be float32."""
    if batch.signals is None:
        raise ValueError(
            f"{who} got a batch without signals; add 'signals' to the fields to read"
        )
    if batch.signals.dtype != torch.float32:
        name = str(batch.signals.dtype).removeprefix("torch.")
        raise TypeError(
            f"{who} got {name} signals; expected float32 mV: read them with "
            "dtype='float32', or go on with batch.in_mv()"
        )
    return batch.signals


def check_range(
    name: str, values: Range, lowest: float, highest: float = np.inf
) -> None:
    """Refuse a range that is no range, or not within its bounds."""
    if np.shape(values) != (2,) or not lowest <= values[0] <= values[1] <= highest:
        bounds = f"from {lowest:g}" + ("" if highest == np.inf else f" to {highest:g}")
        raise ValueError(
            f"{name} is {values!r}; expected (lowest, highest), numbers {bounds}"
        )


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not above zero."""
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is {value!r}; expected a number above 0")


def on_device_of(signals: Tensor, values: FloatArray) -> Tensor:
    """Return numbers as float32 beside the signals, without waiting for the device."""
    host = torch.from_numpy(values.astype(np.float32))
    return host.to(signals.device, non_blocking=True)


def in_pieces(signals: Tensor, chosen: BoolArray) -> Iterator[slice]:
    """Yield slices of records that hold all the chosen ones.

    On a CPU these are single records, which stay in its cache from one operation to
    the next; elsewhere it is the whole batch, with few operations to launch.
    """
    if _on_cpu(signals):
        for record in np.flatnonzero(chosen).tolist():
            yield slice(record, record + 1)
    else:
        yield slice(0, len(signals))


def add_noise(
    batch: Batch, signals: Tensor, chosen: BoolArray, noise: Callable[[slice], Tensor]
) -> None:
    """Add noise to the real samples of the chosen records, in place.

    Multiplications and additions are kept apart, here and in all noise: a fused
    operation rounds once where two round twice, and libraries choose by the length of
    a row which of the two they do. So a record gets the same bits everywhere.

    Parameters
    ----------
    batch : Batch
        Where the padding begins.
    signals : Tensor of shape (n_records, n_leads, n_samples)
        The batch's signals.
    chosen : ndarray of shape (n_records,)
        Which records are changed.
    noise : callable
        Returns new noise of shape (n, n_leads, n_samples) for a slice of records;
        zero for those among them that are not chosen.
    """
    for records in in_pieces(signals, chosen):
        values = noise(records)
        clear_padding(values, batch.n_real_samples[records])
        signals[records].add_(values)


def clear_padding(values: Tensor, n_real_samples: Tensor) -> None:
    """Set samples at and after the end of every record to zero, in place."""
    n_samples = values.shape[-1]
    if _on_cpu(values):  # where almost no record is padded
        for record, n_real in zip(values, n_real_samples.tolist(), strict=True):
            if n_real < n_samples:
                record[..., n_real:] = 0
    else:
        places = torch.arange(n_samples, device=values.device)
        values.masked_fill_(places >= n_real_samples[:, None, None], 0)


def _on_cpu(values: Tensor) -> bool:
    """Return whether small pieces, and looking at single numbers, cost little."""
    return values.device.type == "cpu"
