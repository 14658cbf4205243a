"""The augmentation that adds powerline interference."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing._codes_of_kernels import POWERLINE
from ecgstore.pipes.fusing.steps import Fusible, Step
from ecgstore.pipes.transforms.augmentation import (
    Augmentation,
    Draws,
    Range,
    add_noise,
    check_positive,
    check_range,
    noise_numbers,
    on_device_of,
    signals_in_mv,
)


@dataclass(frozen=True, kw_only=True)
class Powerline(Augmentation, Fusible):
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
        factors, tones, weights = self._waves(batch, chosen.numpy(), draws)
        table = self._table(batch).to(signals.device)
        waves = torch.zeros(len(signals), signals.shape[-1], device=signals.device)
        for number in range(tones.shape[1]):
            chosen_tones = torch.from_numpy(tones[:, number]).to(signals.device)
            for part in range(2):  # sine and cosine
                size = on_device_of(signals, weights[:, number, part])[:, None]
                waves.add_(size * table[chosen_tones + part])
        noise = waves[:, None] * on_device_of(signals, factors)[..., None]
        return add_noise(batch, signals, noise)

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        chosen, draws = self.drawn(batch)
        factors, tones, weights = self._waves(batch, chosen, draws)
        waves = np.concatenate([tones[..., np.newaxis], weights], axis=-1)
        numbers = noise_numbers(batch, chosen, factors, waves)
        table = self._table(batch).numpy().reshape(-1)
        return Step(POWERLINE, numbers, table, tones.shape[1], 1), batch

    def _waves(
        self, batch: Batch, chosen: BoolArray, draws: Draws
    ) -> tuple[FloatArray, IntArray, FloatArray]:
        """Draw the factor of every lead in mV, and the waves of every record.

        Returns
        -------
        factors : ndarray of shape (n_records, n_leads)
            Zero for records that are not chosen.
        tones : ndarray of shape (n_records, n_harmonics)
            Row of each harmonic's sine in `_table`; that of the cosine is the next.
        weights : ndarray of shape (n_records, n_harmonics, 2)
            Weights of sine and cosine.
        """
        highest = max(self.mains_hz) * (1 + len(self.harmonics))
        if highest >= batch.fs / 2:
            raise ValueError(
                f"the highest harmonic is at {highest:g} Hz; expected one below half "
                f"the sampling rate ({batch.fs / 2:g} Hz): use fewer harmonics"
            )
        n_leads = signals_in_mv(batch, type(self).__name__).shape[1]
        factors = draws.uniform_array(*self.amplitude_mv, (n_leads,))
        factors *= np.sign(draws.uniform_array(-1, 1, (n_leads,)))
        factors *= chosen[:, np.newaxis]
        mains = draws.uniform_array(0, len(self.mains_hz)).astype(np.int64)
        sizes = np.array((1.0, *self.harmonics))
        phases = np.stack(
            [draws.uniform_array(0, 2 * np.pi) for _ in range(len(sizes))], axis=1
        )
        tones = 2 * (mains[:, np.newaxis] * len(sizes) + np.arange(len(sizes)))
        weights = np.stack([np.cos(phases), np.sin(phases)], axis=-1)
        return factors, tones, sizes[:, np.newaxis] * weights

    def _table(self, batch: Batch) -> Tensor:
        """Return sine and cosine of all harmonics of all mains, on the CPU."""
        assert batch.signals is not None
        n_samples = batch.signals.shape[-1]
        n_harmonics = 1 + len(self.harmonics)
        return _tones((*self.mains_hz,), n_harmonics, batch.fs, n_samples)


@lru_cache(maxsize=64)
def _tones(
    mains_hz: tuple[float, ...], n_harmonics: int, fs: float, n_samples: int
) -> Tensor:
    """Return tones of shape (2 * n_mains * n_harmonics, n_samples)."""
    angles = [
        2 * np.pi * harmonic * hz * np.arange(n_samples) / fs
        for hz in mains_hz
        for harmonic in range(1, n_harmonics + 1)
    ]
    waves = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    return torch.from_numpy(np.stack(waves).astype(np.float32))
