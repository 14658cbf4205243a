"""The augmentation that adds powerline interference."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.transforms.augmentation import (
    Augmentation,
    Draws,
    Range,
    add_noise,
    check_positive,
    check_range,
    on_device_of,
    signals_in_mv,
)


@dataclass(frozen=True, kw_only=True)
class Powerline(Augmentation):
    """Add powerline interference.

    Phases are random and the same in all leads of a record, as from one source; the
    amplitude and its sign are drawn per lead.

    Parameters
    ----------
    amplitude_mv : tuple of float
        Range of the amplitude of the fundamental in mV. Friesen et al. 1990 (IEEE
        Trans. Biomed. Eng. 37:85) go up to half the peak-to-peak voltage; recorders
        with a mains filter leave far less.
    mains_hz : tuple of float
        Mains frequencies in Hz, of which one is drawn per record.
    harmonics : tuple of float
        Amplitudes of the second, third and further harmonics, relative to that of the
        fundamental.
    probability : float
        Probability that a record is changed.

    Notes
    -----
    The default band-pass filter of a store, below 40 Hz, has removed the interference
    from every record: adding it prepares a model for signals that were filtered less.
    """

    amplitude_mv: Range = (0.01, 0.1)
    mains_hz: tuple[float, ...] = (50.0, 60.0)
    harmonics: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("amplitude_mv", self.amplitude_mv, 0)
        if not self.mains_hz:
            raise ValueError("mains_hz is empty; expected frequencies such as (50.0,)")
        for hz in self.mains_hz:
            check_positive("a frequency of mains_hz", hz)

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Add the interference."""
        signals = signals_in_mv(batch, type(self).__name__)
        is_chosen: BoolArray = chosen.numpy()
        highest = max(self.mains_hz) * (1 + len(self.harmonics))
        if highest >= batch.fs / 2:
            raise ValueError(
                f"the highest harmonic is at {highest:g} Hz; expected one below half "
                f"the sampling rate ({batch.fs / 2:g} Hz): use fewer harmonics"
            )
        sizes = draws.uniform_array(*self.amplitude_mv, signals.shape[1:2])
        sizes *= np.sign(draws.uniform_array(-1, 1, signals.shape[1:2]))
        sizes *= is_chosen[:, np.newaxis]
        factors = on_device_of(signals, sizes)[..., None]
        waves = self._waves(signals, draws, batch.fs)[:, None]
        add_noise(
            batch, signals, is_chosen, lambda records: waves[records] * factors[records]
        )
        return batch

    def _waves(self, signals: Tensor, draws: Draws, fs: float) -> Tensor:
        """Return the interference at amplitude 1, of shape (n_records, n_samples)."""
        mains = draws.uniform_array(0, len(self.mains_hz)).astype(np.int64)
        n_samples = signals.shape[-1]
        result = torch.zeros(len(signals), n_samples, device=signals.device)
        for number, relative in enumerate((1.0, *self.harmonics), start=1):
            phases = draws.uniform_array(0, 2 * np.pi)
            for choice, hz in enumerate(self.mains_hz):
                size = relative * (mains == choice)
                sine, cosine = _tone(number * hz, fs, n_samples, signals.device)
                for tone, weights in (
                    (sine, size * np.cos(phases)),
                    (cosine, size * np.sin(phases)),
                ):
                    result.add_(on_device_of(signals, weights)[:, None] * tone)
        return result


@lru_cache(maxsize=64)
def _tone(
    hz: float, fs: float, n_samples: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the sine and the cosine of a frequency."""
    angles = 2 * np.pi * hz * np.arange(n_samples) / fs
    sine = torch.from_numpy(np.sin(angles).astype(np.float32)).to(device)
    cosine = torch.from_numpy(np.cos(angles).astype(np.float32)).to(device)
    return sine, cosine
