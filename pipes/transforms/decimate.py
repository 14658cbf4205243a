"""A lower sampling rate: a batch transform for networks that need no more."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from scipy.signal import firwin
from torch import Tensor
from torch.nn import functional

from ecgstore.errors import ConfigError
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.checks import whole
from ecgstore.pipes.transforms.augmentation import clear_padding

_ZERO_CROSSINGS: Final = 10
"""Of the low-pass filter on each side, as in SciPy's ``decimate(ftype="fir")``."""


@dataclass(frozen=True)
class Decimate:
    """Keep every n-th sample, after a low-pass filter without delay.

    The filter is that of ``scipy.signal.decimate(ftype="fir")``: a sinc of 20 samples
    of the new rate under a Hamming window, its -6 dB at half the new rate. Padding
    stays zero; marks move to the nearest sample.

    Parameters
    ----------
    factor : int
        Which samples stay: 5 makes 100 Hz of 500 Hz.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is below 1.

    Examples
    --------
    >>> Decimate.to(100.0, 500.0)
    Decimate(factor=5)
    """

    factor: int

    def __post_init__(self) -> None:
        if whole("factor", self.factor) < 1:
            raise ValueError(
                f"factor is {self.factor!r}; expected a whole number of at least 1"
            )

    @classmethod
    def to(cls, fs: float, stored_fs: float) -> "Decimate":
        """Return what makes signals of one sampling rate from those of another.

        Parameters
        ----------
        fs : float
            The rate wanted in Hz.
        stored_fs : float
            The rate of the store in Hz.

        Raises
        ------
        ConfigError
            If the rate of the store is not a multiple of the one wanted.
        """
        factor = round(stored_fs / fs) if fs > 0 else 0
        if factor < 1 or factor * fs != stored_fs:
            raise ConfigError(
                f"fs is {fs:g} Hz, and the store has {stored_fs:g} Hz; expected a rate "
                f"that divides it, such as {stored_fs / 2:g}, or build the store with "
                f"--fs {fs:g}"
            )
        return cls(factor)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch at the lower rate.

        Raises
        ------
        ValueError
            If the batch has no signals.
        """
        if self.factor == 1:
            return batch
        signals = batch.in_mv().signals
        if signals is None:
            raise ValueError("Decimate got a batch without signals; read 'signals'")
        # Division rounds up: a record's last real sample may not be one that stays.
        n_real = -(-batch.n_real_samples // self.factor)
        slow = self.filtered(signals)
        clear_padding(slow, n_real)
        return replace(
            batch,
            signals=slow,
            mv_per_count=1.0,
            n_real_samples=n_real,
            fs=batch.fs / self.factor,
            r_peaks=self._moved(batch.r_peaks, n_real),
            fiducials=self._moved(batch.fiducials, n_real),
        )

    def filtered(self, signals: Tensor) -> Tensor:
        """Return filtered signals at the lower rate.

        Parameters
        ----------
        signals : Tensor of shape (n_records, n_leads, n_samples)
            Voltages, float32.

        Returns
        -------
        Tensor of shape (n_records, n_leads, ceil(n_samples / factor))
        """
        n_records, n_leads, n_samples = signals.shape
        filter_ = _low_pass(self.factor, signals.device)
        slow = functional.conv1d(
            signals.reshape(n_records * n_leads, 1, n_samples),
            filter_,
            stride=self.factor,
            padding=filter_.shape[-1] // 2,
        )
        return slow.reshape(n_records, n_leads, -1)

    def _moved(self, marks: Tensor | None, n_real: Tensor) -> Tensor | None:
        """Return sample indices at the lower rate, -1 where absent."""
        if marks is None:
            return None
        moved = (marks.long() + self.factor // 2) // self.factor
        # The sample nearest to a mark at the very end may be the one after the last.
        last = (n_real - 1).view(-1, *[1] * (marks.ndim - 1))
        moved = torch.minimum(moved, last).to(marks.dtype)
        return torch.where(marks < 0, marks, moved)


@lru_cache(maxsize=16)
def _low_pass(factor: int, device: torch.device) -> Tensor:
    """Return the filter, of shape (1, 1, 2 * 10 * factor + 1)."""
    taps = firwin(2 * _ZERO_CROSSINGS * factor + 1, 1 / factor, window="hamming")
    return torch.from_numpy(taps.astype(np.float32)).to(device)[None, None]
