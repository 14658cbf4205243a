"""Augmentations that add something to a signal: noise, wander, mains hum."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.orders.permutation import mix
from ecgstore.pipes.transforms.augmentation import (
    Augmentation,
    Draws,
    Range,
    add_noise,
    check_positive,
    check_range,
    on_device_of,
    signals_in_mv,
    unit_fractions,
)

# -- white noise ------------------------------------------------------------

_TABLE_SIZE: Final = 1 << 20
"""Numbers in the table of noise, at least: 4 MB."""

_TABLE_KEY: Final = 2


@dataclass(frozen=True, kw_only=True)
class WhiteNoise(Augmentation):
    """Add Gaussian white noise of a standard deviation in mV, as of muscles.

    All leads of a record get noise of the same size, each its own.

    Parameters
    ----------
    sd_mv : tuple of float
        Range of the standard deviation in mV. The upper end of 0.1 mV is 10 % of an
        ECG of 1 mV from peak to peak, the most that Friesen et al. 1990 (IEEE Trans.
        Biomed. Eng. 37:85) take for muscle noise.
    probability : float
        Part of the records that are changed.

    Notes
    -----
    The noise of a record is a stretch, from a random place, of a fixed table of a
    million Gaussian numbers or more, one lead after the other. Within a record no
    number is used twice; drawing all of them anew would take several times as long.
    Most of its power lies above the 40 Hz where a store's band-pass filter ends unless
    built otherwise: it prepares a model for signals that were filtered less.
    """

    sd_mv: Range = (0.01, 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("sd_mv", self.sd_mv, 0)

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Add the noise."""
        signals = signals_in_mv(batch, type(self).__name__)
        starts = _table_starts(signals, draws)
        drawn = draws.uniform(*self.sd_mv) * chosen
        sd_mv = on_device_of(signals, drawn)[:, None, None]
        add_noise(
            batch,
            signals,
            chosen,
            lambda records: _white(signals, starts[records], sd_mv[records]),
        )
        return batch


@dataclass(frozen=True, kw_only=True)
class WhiteNoiseAtSnr(Augmentation):
    """Add Gaussian white noise of a given signal-to-noise ratio, lead by lead.

    The ratio is that of the mean square of the lead's real samples to the variance
    of its noise, so a constant zero lead stays as it is. See `WhiteNoise` for the
    noise itself. The noise stress test takes the size of the QRS complexes for the
    signal instead, so its decibels are not quite these.

    Parameters
    ----------
    snr_db : tuple of float
        Range of the ratio in dB. 24 dB to 6 dB is the milder part of the range of the
        noise stress test (Moody et al. 1984, Comput. Cardiol. 11:381).
    probability : float
        Part of the records that are changed.
    """

    snr_db: Range = (6.0, 24.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("snr_db", self.snr_db, -100, 200)

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Add the noise."""
        signals = signals_in_mv(batch, type(self).__name__)
        starts = _table_starts(signals, draws)
        drawn = 10 ** (-draws.uniform(*self.snr_db) / 20) * chosen
        ratios = on_device_of(signals, drawn)[:, None]
        power = _mean_squares(signals, batch.n_real_samples)
        sd_mv = power.sqrt_().mul_(ratios)[..., None]
        add_noise(
            batch,
            signals,
            chosen,
            lambda records: _white(signals, starts[records], sd_mv[records]),
        )
        return batch


def _table_starts(signals: Tensor, draws: Draws) -> IntArray:
    """Draw where in the table of noise each record's noise begins."""
    n_values = signals[0].numel()
    return draws.uniform(0, _table_size(n_values) - n_values).astype(np.int64)


def _white(signals: Tensor, starts: IntArray, sd_mv: Tensor) -> Tensor:
    """Return new noise of shape (len(starts), n_leads, n_samples)."""
    n_values = signals[0].numel()
    table = _gaussian_table(_table_size(n_values), signals.device)
    if len(starts) == 1:  # a stretch of the table: several times as fast as indexing
        stretch = table[starts[0] : starts[0] + n_values]
    else:
        places = torch.from_numpy(starts).to(signals.device, non_blocking=True)
        stretch = table.unfold(0, n_values, 1).index_select(0, places)
    return stretch.view(len(starts), *signals.shape[1:]) * sd_mv


def _table_size(n_values: int) -> int:
    """Return how large a table is, from which stretches of `n_values` are taken."""
    return max(_TABLE_SIZE, 1 << (2 * n_values - 1).bit_length())


@lru_cache(maxsize=4)
def _gaussian_table(size: int, device: torch.device) -> Tensor:
    """Return Gaussian numbers of mean 0 and variance 1; a longer table goes on."""
    from scipy.special import ndtri  # slow to import

    numbers = mix(_TABLE_KEY, np.arange(size, dtype=np.uint64))
    values = ndtri(unit_fractions(numbers) + 2.0**-54)  # 0 would become minus infinity
    return torch.from_numpy(values.astype(np.float32)).to(device)


def _mean_squares(signals: Tensor, n_real_samples: Tensor) -> Tensor:
    """Return the mean square of every lead's real samples, shape (n, n_leads).

    Sums are taken by folding the samples in half, again and again: libraries add in
    an order of their own, which depends on the shape of the whole batch.
    """
    squares = signals * signals
    n_left = squares.shape[-1]
    while n_left > 1:
        half = (n_left + 1) // 2
        squares[..., : n_left - half].add_(squares[..., half:n_left])
        n_left = half
    return squares[..., 0] / n_real_samples.clamp(min=1)[:, None]


# -- baseline wander --------------------------------------------------------

_N_SINUSOIDS: Final = 3

_STEPS_PER_PERIOD: Final = 32
"""Points computed per period; in between a line is 0.5 % off at most."""


@dataclass(frozen=True, kw_only=True)
class BaselineWander(Augmentation):
    """Add slow waves, as of breathing and moving electrodes.

    The wander is a sum of three sinusoids. Their frequencies and their shares are
    those of the record; size and phases are those of the lead.

    Parameters
    ----------
    amplitude_mv : tuple of float
        Range of what a lead's wander does not exceed, in mV. Friesen et al. 1990
        (IEEE Trans. Biomed. Eng. 37:85) take 15 % of the peak-to-peak voltage.
    frequency_hz : tuple of float
        Range of the frequencies in Hz.
    probability : float
        Part of the records that are changed.

    Notes
    -----
    A store's band-pass filter (above 0.5 Hz unless built otherwise) has taken such
    waves out of every record: adding them prepares a model for signals that were
    filtered less.
    """

    amplitude_mv: Range = (0.05, 0.3)
    frequency_hz: Range = (0.05, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("amplitude_mv", self.amplitude_mv, 0)
        check_range("frequency_hz", self.frequency_hz, 0)

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Add the wander."""
        signals = signals_in_mv(batch, type(self).__name__)
        highest = batch.fs / _STEPS_PER_PERIOD
        check_range("frequency_hz", self.frequency_hz, 0, highest)
        n_samples = signals.shape[-1]
        step = self._step(n_samples, batch.fs)
        ramp = torch.arange(step, device=signals.device) / step
        seconds = np.arange(n_samples // step + 2) * step / batch.fs
        points = self._points(signals, chosen, draws, seconds)
        rises = points.diff(dim=-1)

        def noise(records: slice) -> Tensor:
            # (n, n_leads, n_points - 1, step): lines from point to point
            lines = rises[records][..., None] * ramp
            lines.add_(points[records][..., :-1, None])
            return lines.flatten(-2)[..., :n_samples]

        add_noise(batch, signals, chosen, noise)
        return batch

    def _step(self, n_samples: int, fs: float) -> int:
        """Return the samples from one computed point to the next."""
        highest = max(self.frequency_hz[1], fs / (_STEPS_PER_PERIOD * n_samples))
        return int(fs / (_STEPS_PER_PERIOD * highest))

    def _points(
        self, signals: Tensor, chosen: BoolArray, draws: Draws, seconds: FloatArray
    ) -> Tensor:
        """Return the wander of every lead at some times: (n, n_leads, n_points)."""
        n_leads, n_points = signals.shape[1], len(seconds)
        hz = draws.uniform(*self.frequency_hz, (_N_SINUSOIDS, 1))
        shares = draws.uniform(0, 1, (1, _N_SINUSOIDS))
        shares /= shares.sum(axis=-1, keepdims=True) + 2.0**-53
        sizes = draws.uniform(*self.amplitude_mv, (n_leads, 1)) * shares
        sizes *= chosen[:, np.newaxis, np.newaxis]
        phases = draws.uniform(0, 2 * np.pi, (n_leads, _N_SINUSOIDS))
        angles = 2 * np.pi * hz * seconds  # (n, n_sinusoids, n_points)
        sines, cosines = _sines_and_cosines(angles, chosen)
        result = torch.zeros(len(signals), n_leads, n_points, device=signals.device)
        for basis, weights in (
            (sines, sizes * np.cos(phases)),
            (cosines, sizes * np.sin(phases)),
        ):
            waves = on_device_of(signals, basis)[:, None]
            factors = on_device_of(signals, weights)[..., None]
            for each in range(_N_SINUSOIDS):
                result.add_(waves[:, :, each] * factors[:, :, each])
        return result


def _sines_and_cosines(
    angles: FloatArray, chosen: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return sines and cosines for the chosen records, and zeros for the others."""
    sines, cosines = np.zeros_like(angles), np.zeros_like(angles)
    sines[chosen] = np.sin(angles[chosen])
    cosines[chosen] = np.cos(angles[chosen])
    return sines, cosines


# -- powerline interference -------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Powerline(Augmentation):
    """Add the hum of the mains.

    Phases are random and common to all leads of a record, as from one source; the
    size, and whether the hum is upside down, are the lead's own.

    Parameters
    ----------
    amplitude_mv : tuple of float
        Range of the amplitude of the fundamental in mV. Friesen et al. 1990 (IEEE
        Trans. Biomed. Eng. 37:85) go up to half the peak-to-peak voltage; recorders
        with a mains filter leave far less.
    mains_hz : tuple of float
        Frequencies of the mains in Hz, of which each record gets one.
    harmonics : tuple of float
        Amplitudes of the second, third and further harmonics, as parts of that of the
        fundamental; none unless given.
    probability : float
        Part of the records that are changed.

    Notes
    -----
    A store's band-pass filter (below 40 Hz unless built otherwise) has taken the hum
    out of every record: adding it prepares a model for signals that were filtered
    less.
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

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Add the hum."""
        signals = signals_in_mv(batch, type(self).__name__)
        highest = max(self.mains_hz) * (1 + len(self.harmonics))
        if highest >= batch.fs / 2:
            raise ValueError(
                f"the highest harmonic is at {highest:g} Hz; expected one below half "
                f"the sampling rate ({batch.fs / 2:g} Hz): leave harmonics out"
            )
        sizes = draws.uniform(*self.amplitude_mv, signals.shape[1:2])
        sizes *= np.sign(draws.uniform(-1, 1, signals.shape[1:2]))
        sizes *= chosen[:, np.newaxis]
        factors = on_device_of(signals, sizes)[..., None]
        hum = self._hum(signals, draws, batch.fs)[:, None]
        add_noise(
            batch, signals, chosen, lambda records: hum[records] * factors[records]
        )
        return batch

    def _hum(self, signals: Tensor, draws: Draws, fs: float) -> Tensor:
        """Return every record's hum at amplitude 1, of shape (n_records, n_samples)."""
        mains = draws.uniform(0, len(self.mains_hz)).astype(np.int64)
        n_samples = signals.shape[-1]
        result = torch.zeros(len(signals), n_samples, device=signals.device)
        for number, relative in enumerate((1.0, *self.harmonics), start=1):
            phases = draws.uniform(0, 2 * np.pi)
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
