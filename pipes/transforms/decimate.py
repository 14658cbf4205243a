"""Decimation: the transform to a lower sampling rate."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.signal import firwin
from torch import Tensor
from torch.nn import functional

from ecgstore.arrays import Float32Array
from ecgstore.errors import ConfigError
from ecgstore.pipes.arguments import require_integer
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing._codes_of_kernels import DECIMATE, ZERO_CROSSINGS
from ecgstore.pipes.fusing.fused import Fused
from ecgstore.pipes.fusing.steps import Fusible, Step, is_fusible
from ecgstore.pipes.plain_tensors import is_plain
from ecgstore.pipes.transforms.augmentation import clear_padding


@dataclass(frozen=True)
class Decimate(Fusible):
    """Keep every n-th sample, after a low-pass filter without delay.

    The filter is that of ``scipy.signal.decimate(ftype="fir")``: a sinc of 20 samples
    at the new rate in a Hamming window, with -6 dB at half the new rate. Padding stays
    zero; marks move to the nearest sample.

    Parameters
    ----------
    factor : int
        Ratio of the old and the new sampling rate: 5 for 500 Hz to 100 Hz.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is below 1.

    Examples
    --------
    >>> Decimate.to(100.0, 500.0)
    Decimate(factor=5)
    """

    factor: int

    def __post_init__(self) -> None:
        require_integer("factor", self.factor, lowest=1)

    @classmethod
    def to(cls, fs: float, stored_fs: float) -> "Decimate":
        """Return the decimation from one sampling rate to another.

        Parameters
        ----------
        fs : float
            The new sampling rate in Hz.
        stored_fs : float
            The sampling rate of the store in Hz.

        Raises
        ------
        ConfigError
            If the sampling rate of the store is not a multiple of the new one.
        """
        factor = round(stored_fs / fs) if fs > 0 else 0
        if factor < 1 or factor * fs != stored_fs:
            raise ConfigError(
                f"fs is {fs:g} Hz and the store has {stored_fs:g} Hz; expected a rate "
                f"that divides it, such as {stored_fs / 2:g}, or build the store with "
                f"--fs {fs:g}"
            )
        return cls(factor)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch at the lower sampling rate.

        Raises
        ------
        ValueError
            If the batch has no signals.
        """
        if self.factor == 1:
            return batch
        if is_fusible(self) and (done := Fused(self).by_kernel(batch)) is not None:
            return done
        batch, signals = self._in_mv(batch)
        slow = self.filtered(signals)
        batch = self._slow(batch, slow)
        clear_padding(slow, batch.n_real_samples)
        return batch

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        if self.factor == 1:
            return None, batch
        batch, signals = self._in_mv(batch)
        n_slow = -(-signals.shape[-1] // self.factor)
        slow = self._slow(batch, signals.new_empty((*signals.shape[:-1], n_slow)))
        numbers = slow.n_real_samples.numpy()[:, np.newaxis].astype(np.float64)
        return Step(DECIMATE, numbers, _taps(self.factor), self.factor), slow

    def _in_mv(self, batch: Batch) -> tuple[Batch, Tensor]:
        """Return the batch in mV and its signals."""
        batch = batch.in_mv()
        if batch.signals is None:
            raise ValueError("Decimate got a batch without signals; read 'signals'")
        return batch, batch.signals

    def _slow(self, batch: Batch, signals: Tensor) -> Batch:
        """Return the batch with signals at the lower rate, and all else for them."""
        # Rounded up, because the samples kept are 0, factor, 2 * factor and so on.
        n_real = -(-batch.n_real_samples // self.factor)
        return batch.replace(
            signals=signals,
            mv_per_count=1.0,
            n_real_samples=n_real,
            fs=batch.fs / self.factor,
            r_peaks=self._marks(batch.r_peaks, n_real),
            fiducials=self._marks(batch.fiducials, n_real),
        )

    def filtered(self, signals: Tensor) -> Tensor:
        """Return filtered signals at the lower sampling rate.

        Parameters
        ----------
        signals : Tensor of shape (n_records, n_leads, n_samples)
            Voltages, float32.

        Returns
        -------
        Tensor of shape (n_records, n_leads, ceil(n_samples / factor))
        """
        n_records, n_leads, n_samples = signals.shape
        if is_plain(signals):
            from ecgstore.pipes.fusing import _decimate_kernels  # loads numba

            rows = signals.reshape(n_records * n_leads, n_samples).contiguous()
            kept = np.empty((len(rows), -(-n_samples // self.factor)), np.float32)
            _decimate_kernels.decimate_rows(
                rows.numpy(), self.factor, ZERO_CROSSINGS, _taps(self.factor), kept
            )
            return torch.from_numpy(kept).reshape(n_records, n_leads, -1)
        filter_ = _low_pass(self.factor, signals.device)
        slow = functional.conv1d(
            signals.reshape(n_records * n_leads, 1, n_samples),
            filter_,
            stride=self.factor,
            padding=filter_.shape[-1] // 2,
        )
        return slow.reshape(n_records, n_leads, -1)

    def _marks(self, marks: Tensor | None, n_real: Tensor) -> Tensor | None:
        """Return marks as samples at the lower sampling rate, -1 where absent."""
        if marks is None:
            return None
        nearest = (marks.long() + self.factor // 2) // self.factor
        # A mark near the end of the record can round to the sample after the last.
        last = (n_real - 1).view(-1, *[1] * (marks.ndim - 1))
        nearest = torch.minimum(nearest, last).to(marks.dtype)
        return torch.where(marks < 0, marks, nearest)


@lru_cache(maxsize=16)
def _taps(factor: int) -> Float32Array:
    """Return the low-pass filter, of shape (2 * 10 * factor + 1,).

    Every `factor`-th tap beside the one in the middle is zero, as its sinc is.
    """
    taps = firwin(2 * ZERO_CROSSINGS * factor + 1, 1 / factor, window="hamming")
    middle = ZERO_CROSSINGS * factor
    is_zero = np.arange(len(taps)) % factor == 0
    is_zero[middle] = False
    return np.where(is_zero, 0, taps).astype(np.float32)


@lru_cache(maxsize=16)
def _low_pass(factor: int, device: torch.device) -> Tensor:
    """Return the filter on a device, of shape (1, 1, 2 * 10 * factor + 1)."""
    # The cached filter must serve trainings too, even if inference used it first.
    with torch.inference_mode(False):
        return torch.from_numpy(_taps(factor)).to(device)[None, None]
