"""The base class of augmentations, and the functions that they share.

An augmentation draws random numbers from the records' seeds (`Draws`), changes the
signals of some records, and leaves the padding at zero.
"""

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing.fused import Fused
from ecgstore.pipes.fusing.steps import is_fusible
from ecgstore.pipes.orders.random_numbers import mixed_seeds

Range: TypeAlias = tuple[float, float]
"""(lowest, highest) of a uniform distribution to draw from."""

_NUMBERS: Final = np.uint64(1)
"""Key of the random numbers of a record; their counters begin at its state."""


class Draws:
    """Random numbers for the records of a batch, drawn from the records' seeds.

    The numbers of a record depend on its seed (`Batch.seeds`), the salt and the calls
    before only, not on its batch.

    Parameters
    ----------
    batch : Batch
        The batch.
    salt : int
        Any integer. Different salts give independent numbers: every augmentation has
        a salt of its own.
    """

    def __init__(self, batch: Batch, salt: int) -> None:
        self._states = mixed_seeds(salt, batch.seeds)
        self._device = batch.rows.device
        self._n_drawn = 0

    def uniform(
        self, low: float = 0.0, high: float = 1.0, shape: Sequence[int] = ()
    ) -> Tensor:
        """Draw uniformly distributed numbers from `low` to `high`.

        Parameters
        ----------
        low, high : float
            Limits of the distribution.
        shape : sequence of int
            Shape of the numbers per record.

        Returns
        -------
        Tensor of shape (n_records, *shape)
            New numbers at every call, float32, on the device of the batch. By rounding
            to float32, one may be `high`.
        """
        drawn = self.uniform_array(low, high, shape).astype(np.float32)
        return self._on_device(drawn)

    def integers(self, low: int, high: int, shape: Sequence[int] = ()) -> Tensor:
        """Draw integers from `low` to `high`, `high` not included.

        Parameters
        ----------
        low, high : int
            Limits of the distribution.
        shape : sequence of int
            Shape of the numbers per record.

        Returns
        -------
        Tensor of shape (n_records, *shape)
            New numbers at every call, int64, on the device of the batch.
        """
        drawn = np.floor(self.uniform_array(low, high, shape)).astype(np.int64)
        return self._on_device(drawn)

    def uniform_array(
        self, low: float = 0.0, high: float = 1.0, shape: Sequence[int] = ()
    ) -> FloatArray:
        """Draw the numbers of `uniform` as an array, in double precision.

        For what is computed with NumPy before it is copied to the device.

        Returns
        -------
        ndarray of shape (n_records, *shape)
            New numbers at every call, float64; `high` is not included.
        """
        from ecgstore.pipes.orders._mix_kernels import draw  # loads numba

        n_values = math.prod(shape)
        values = np.empty((len(self._states), n_values))
        begin = np.uint64(self._n_drawn)
        draw(self._states, _NUMBERS, begin, float(low), float(high), values)
        self._n_drawn += n_values
        return values.reshape(len(values), *shape)

    def _on_device(self, values: NDArray[Any]) -> Tensor:
        """Return numbers on the device of the batch, without waiting for it."""
        return torch.from_numpy(values).to(self._device, non_blocking=True)


@dataclass(frozen=True, kw_only=True)
class Augmentation(ABC):
    """A random change of the signals of some records of a batch.

    The change of a record depends on its seed (`Batch.seeds`) only, not on its batch,
    its position in the batch, or the number of threads. Signals are changed in place;
    other fields are replaced in the batch that is returned. Samples from
    `n_real_samples` on stay zero.

    A new augmentation is a frozen dataclass that implements `apply`. Those of this
    package implement `step`, too, which says the same to a kernel (`Fusible`).

    Parameters
    ----------
    probability : float
        Probability that a record is changed.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(
                f"probability is {self.probability!r}; expected a number from 0 to 1"
            )

    def __call__(self, batch: Batch) -> Batch:
        """Augment a batch of float32 voltages.

        Parameters
        ----------
        batch : Batch
            The batch, whose signals are changed in place.

        Returns
        -------
        Batch
            The augmented batch; do not use the old one any more.

        Raises
        ------
        ValueError
            If the batch has no signals.
        TypeError
            If its signals are not float32.
        """
        signals_in_mv(batch, type(self).__name__)
        if is_fusible(self) and (done := Fused(self).by_kernel(batch)) is not None:
            return done
        chosen, draws = self.drawn(batch)
        if not chosen.any():
            return batch
        return self.apply(batch, torch.from_numpy(chosen), draws)

    def drawn(self, batch: Batch) -> tuple[BoolArray, Draws]:
        """Draw which records to change, and return the source of all other numbers.

        Returns
        -------
        chosen : ndarray of shape (n_records,)
            Whether to change each record.
        draws : Draws
            Source of the next random numbers.

        Raises
        ------
        TypeError, ValueError
            As for a call.
        """
        signals_in_mv(batch, type(self).__name__)
        draws = self._draws(batch)
        return draws.uniform_array() < self.probability, draws

    @abstractmethod
    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Change the chosen records.

        Parameters
        ----------
        batch : Batch
            The batch; its signals are float32 mV, of shape (n_records, n_leads,
            n_samples).
        chosen : Tensor of shape (n_records,)
            Whether to change each record, bool; at least one is True. It is on the
            CPU, where looking at it takes no time, and indexes tensors of any device.
        draws : Draws
            Source of all random numbers.

        Returns
        -------
        Batch
            The augmented batch.
        """

    def _draws(self, batch: Batch) -> Draws:
        """Return the random numbers of this class of augmentation."""
        return Draws(batch, zlib.crc32(type(self).__name__.encode()))

    def describe(self) -> dict[str, Any]:
        """Return the class name and every parameter, for a log or a checkpoint."""
        return {"name": type(self).__name__, **asdict(self)}


def signals_in_mv(batch: Batch, transform: str) -> Tensor:
    """Return the signals of a batch, or raise an error if they are not float32 mV.

    Parameters
    ----------
    batch : Batch
        The batch.
    transform : str
        Name of the transform that needs them, for the error message.
    """
    if batch.signals is None:
        raise ValueError(
            f"{transform} got a batch without signals; add 'signals' to the fields to "
            "read"
        )
    if batch.signals.dtype != torch.float32:
        name = str(batch.signals.dtype).removeprefix("torch.")
        raise TypeError(
            f"{transform} got {name} signals; expected float32 mV: read them with "
            "dtype='float32', or convert them with batch.in_mv()"
        )
    return batch.signals


def check_range(
    name: str, values: Range, lowest: float, highest: float = np.inf
) -> None:
    """Raise an error unless `values` are (lowest, highest) within the bounds."""
    if np.shape(values) != (2,) or not lowest <= values[0] <= values[1] <= highest:
        bounds = f"from {lowest:g}" + ("" if highest == np.inf else f" to {highest:g}")
        raise ValueError(
            f"{name} is {values!r}; expected (lowest, highest), numbers {bounds}"
        )


def check_positive(name: str, value: float) -> None:
    """Raise an error unless a number is positive and finite."""
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is {value!r}; expected a number above 0")


def on_device_of(signals: Tensor, values: FloatArray) -> Tensor:
    """Return numbers as float32 on the signals' device, without waiting for it."""
    host = torch.from_numpy(values.astype(np.float32))
    return host.to(signals.device, non_blocking=True)


def add_noise(batch: Batch, signals: Tensor, noise: Tensor) -> Batch:
    """Add noise to the real samples of the records, in place, and return the batch.

    Leads that a record lacks stay zero.

    Parameters
    ----------
    batch : Batch
        The batch, for its `n_real_samples` and `missing_leads`.
    signals : Tensor of shape (n_records, n_leads, n_samples)
        The batch's signals.
    noise : Tensor of the same shape
        The noise, which is changed; zero for records that are not chosen.
    """
    clear_padding(noise, batch.n_real_samples)
    if batch.missing_leads is not None:
        clear_missing_leads(noise, batch.missing_leads)
    signals.add_(noise)
    return batch


def noise_numbers(batch: Batch, chosen: BoolArray, *others: FloatArray) -> FloatArray:
    """Return the numbers of a step that adds noise, of shape (n_records, n).

    They are: whether to add it, the number of real samples, and others of shape
    (n_records, ...).
    """
    n_real = real_samples(batch)
    flat = (
        one.reshape(len(one), math.prod(one.shape[1:]))
        for one in (chosen, n_real, *others)
    )
    return np.concatenate([*flat], axis=1, dtype=np.float64)


def real_samples(batch: Batch) -> IntArray:
    """Return the number of real samples among the signals of every record."""
    assert batch.signals is not None
    n_real: IntArray = batch.n_real_samples.numpy().clip(0, batch.signals.shape[-1])
    return n_real


def clear_padding(values: Tensor, n_real_samples: Tensor) -> None:
    """Set the samples after the end of every record to zero, in place."""
    n_samples = values.shape[-1]
    if values.device.type == "cpu":  # faster, because few records are padded
        for record, n_real in zip(values, n_real_samples.tolist(), strict=True):
            if n_real < n_samples:
                record[..., n_real:] = 0
    else:
        samples = torch.arange(n_samples, device=values.device)
        values.masked_fill_(samples >= n_real_samples[:, None, None], 0)


def clear_missing_leads(values: Tensor, missing_leads: Tensor) -> None:
    """Set the leads that a record lacks to zero, in place, (n_records, n_leads)."""
    values.masked_fill_(missing_leads[:, :, None], 0)
