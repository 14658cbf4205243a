"""Training examples of the delineator: time-warped, noisy excerpts of records."""

from typing import Final

import numpy as np
from scipy.signal import butter, sosfilt

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.models.delineator.network import N_CLASSES
from ecgstore.models.delineator.records import UNKNOWN, TrainingRecord
from ecgstore.record import N_LEADS
from ecgstore.system.kernels import kernel

N_SAMPLES: Final = 1536
"""Length of a training example at 250 Hz: 6.1 s."""

N_CELLS: Final = N_SAMPLES // 2
"""Number of labelled cells, of 8 ms each."""

_NOISE_BANDS: Final = ((0.5, 40.0), (0.1, 2.0), (5.0, 40.0), (15.0, 100.0), (3.0, 12.0))
"""Bands of noise in Hz."""

_N_NOISE_SAMPLES: Final = 1 << 17

_SMALLEST_STRETCH: Final = 0.02
"""Of the time between two beats, in a simulated tachycardia."""

_N_FADE_SAMPLES: Final = 10


class Sampler:
    """Draw training examples from records.

    Parameters
    ----------
    records : list of TrainingRecord
        The training records.
    seed : int
        Equal seeds give equal examples.
    """

    def __init__(self, records: list[TrainingRecord], seed: int) -> None:
        self._records = records
        self._rng = np.random.default_rng(seed)
        noise = []
        for low, high in _NOISE_BANDS:
            sections = butter(2, [low, high], "bandpass", fs=250.0, output="sos")
            coloured = sosfilt(
                sections, self._rng.normal(0, 1, _N_NOISE_SAMPLES + 5000)
            )
            coloured = coloured[5000:]
            noise.append(coloured / coloured.std())
        self._noise = np.array(noise, np.float32)

    def batch(self, n: int) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Return signals, usable leads and labels of `n` training examples.

        Returns
        -------
        signals : ndarray of shape (n, 12, N_SAMPLES)
            At 250 Hz, scaled, 0 in unusable leads.
        usable : ndarray of shape (n, 12)
            1 or 0.
        labels : ndarray of shape (n, 12, 7, N_CELLS)
            Share of each class in each cell of 8 ms; all 0 where it is unknown.
        """
        examples = [self._example() for _ in range(n)]
        signals, usable, labels = zip(*examples, strict=True)
        return np.stack(signals), np.stack(usable), np.stack(labels)

    def _example(self) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Return signal, usable leads and labels of one training example."""
        rng = self._rng
        signal = np.zeros((N_LEADS, N_SAMPLES), np.float32)
        labels = np.zeros((N_LEADS, N_CLASSES, N_CELLS), np.float32)
        record = self._records[rng.integers(len(self._records))]
        n_before = 0
        if rng.random() < 0.08:
            n_before = int(rng.integers(100, N_SAMPLES))
        if rng.random() < 0.03:
            n_before = N_SAMPLES
        amplitude = float(np.quantile(np.ptp(record.signals[0], axis=1), 0.5)) or 1.0
        if n_before:
            self._write_pause(signal, labels, 0, n_before, amplitude)
        begin = n_before
        band = 0 if rng.random() < 0.6 else int(rng.integers(len(record.signals)))
        first = True
        while begin < N_SAMPLES:
            if not first and rng.random() < 0.3:
                end = min(N_SAMPLES, begin + int(rng.integers(50, 1000)))
                self._write_pause(signal, labels, begin, end, amplitude)
                begin = end
                continue
            if not first and rng.random() < 0.3:
                record = self._records[rng.integers(len(self._records))]
            begin = self._write_excerpt(record, band, signal, labels, begin, first)
            first = False
        if rng.random() < 0.06:
            begin = int(rng.integers(N_SAMPLES - 200))
            end = min(N_SAMPLES, begin + int(rng.integers(100, 700)))
            self._write_pause(signal, labels, begin, end, amplitude)
        signal, usable = self._degrade(signal)
        return scaled(signal, usable, rng), usable, labels

    def _write_excerpt(
        self,
        record: TrainingRecord,
        band: int,
        signal: Float32Array,
        labels: Float32Array,
        begin: int,
        first: bool,
    ) -> int:
        """Write an excerpt of a record from `begin` on; return its end."""
        rng = self._rng
        known_begin = min(float(edges[1]) for edges in record.edges)
        known_end = max(float(edges[-2]) for edges in record.edges)
        stretch = _time_stretch(record.quiet, rng)
        clock = np.concatenate([[0.0], np.cumsum(stretch)])  # in units of 2 ms
        places = np.arange(len(clock), dtype=np.float64)
        room = 2.0 * (N_SAMPLES - begin)
        last_start = np.interp(
            max(clock[int(known_end)] - room, clock[int(known_begin)]), clock, places
        )
        start = rng.uniform(known_begin, max(last_start, known_begin + 1))
        quiet = np.flatnonzero(record.quiet)
        if not first and len(quiet):
            start = float(quiet[rng.integers(len(quiet) // 2 + 1)])
        stop = known_end
        if len(quiet) and quiet[-1] > start + 500:
            stop = float(quiet[-1])
        origin = np.interp(start, places, clock)
        length = int((np.interp(stop, places, clock) - origin) / 2)
        length = max(min(length, N_SAMPLES - begin), 16)
        length += (begin + length) % 2
        end = min(begin + length, N_SAMPLES)
        times = np.interp(origin + 2.0 * np.arange(end - begin), clock, places)
        for lead in range(N_LEADS):
            lead_edges = np.interp(record.edges[lead], places, clock)
            _interpolate(record.signals[band, lead], times, signal[lead, begin:end])
            _cover(
                (lead_edges - origin) / 2 + begin,
                record.classes[lead],
                begin,
                end,
                labels[lead],
            )
        if not first and begin > _N_FADE_SAMPLES:
            _fade(signal, begin)
        return end

    def _write_pause(
        self,
        signal: Float32Array,
        labels: Float32Array,
        begin: int,
        end: int,
        amplitude: float,
    ) -> None:
        """Write noise of any amplitude, without waves, from `begin` to `end`."""
        rng = self._rng
        size = amplitude * np.exp(rng.uniform(np.log(0.003), np.log(0.4)))
        band = int(rng.integers(len(_NOISE_BANDS) + 1))
        n = end - begin
        for lead in range(N_LEADS):
            if band == len(_NOISE_BANDS):
                noise = rng.normal(0, 1, n).astype(np.float32)
            else:
                noise = self._noise_in(band, n)
            lead_size = size * np.exp(rng.normal(0, 0.3))
            signal[lead, begin:end] = lead_size * noise
        first, last = (begin + 1) // 2, (end + 1) // 2
        labels[:, :, first:last] = 0
        labels[:, 0, first:last] = 1

    def _noise_in(self, band: int, n: int) -> Float32Array:
        """Return `n` samples of noise in one of the bands."""
        begin = int(self._rng.integers(_N_NOISE_SAMPLES - n))
        noise: Float32Array = self._noise[band, begin : begin + n]
        return noise

    def _degrade(self, signal: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Add noise, invert or ruin leads; return the signal and the usable leads."""
        rng = self._rng
        signal = signal.copy()
        usable = np.ones(N_LEADS, np.float32)
        if rng.random() < 0.4:
            n_lost = int(rng.integers(1, N_LEADS))
            usable[rng.permutation(N_LEADS)[:n_lost]] = 0
        noisy = rng.random() < 0.6
        common = np.exp(rng.uniform(np.log(0.003), np.log(0.1)))
        if rng.random() < 0.05:
            signal = -signal
        for lead in range(N_LEADS):
            size = float(np.ptp(signal[lead]))
            if noisy and rng.random() < 0.7:
                band = int(rng.integers(len(_NOISE_BANDS)))
                amount = size * common * np.exp(rng.normal(0, 0.5))
                if band == 1:
                    amount *= 3
                signal[lead] += amount * self._noise_in(band, N_SAMPLES)
            if rng.random() < 0.05:
                hertz = rng.choice([50.0, 60.0])
                phase = 2 * np.pi * (hertz * np.arange(N_SAMPLES) / 250 + rng.random())
                signal[lead] += size * rng.uniform(0, 0.1) * np.sin(phase)
            if rng.random() < 0.08:
                signal[lead] = -signal[lead]
            if rng.random() < 0.03:
                band = int(rng.integers(len(_NOISE_BANDS)))
                signal[lead] *= rng.uniform(0, 0.3)
                signal[lead] += (
                    size * rng.uniform(0.1, 2) * self._noise_in(band, N_SAMPLES)
                )
            if rng.random() < 0.05:  # a burst or a step
                where = int(rng.integers(N_SAMPLES - 300))
                n = int(rng.integers(10, 300))
                band = int(rng.integers(len(_NOISE_BANDS)))
                signal[lead, where : where + n] += (
                    size * rng.uniform(0.1, 2) * self._noise_in(band, n)
                )
        return signal, usable


def scaled(
    signal: Float32Array, usable: Float32Array, rng: np.random.Generator
) -> Float32Array:
    """Return the leads centred and scaled as at inference, times a random factor."""
    centred = signal - np.median(signal, axis=1, keepdims=True)
    n_windows = N_SAMPLES // 250
    windows = centred[:, : n_windows * 250].reshape(N_LEADS, n_windows, 250)
    ranges = np.sort(np.ptp(windows, axis=2), axis=1)
    typical = ranges[:, (4 * n_windows) // 5, None] + 1e-12
    factor = np.exp(rng.normal(0, 0.3, (N_LEADS, 1)) + rng.normal(0, 0.2))
    unit = np.clip(4 * factor * centred / typical, -20, 20)
    return np.asarray(unit * usable[:, None], np.float32)


def _time_stretch(quiet: BoolArray, rng: np.random.Generator) -> FloatArray:
    """Return the factor by which the duration of each sample of a record changes.

    A record is stretched as a whole, and in addition between its beats, since the heart
    rate changes mostly by the time between T and P.
    """
    spread = 0.12 if rng.random() < 0.7 else 0.35
    whole = float(np.clip(np.exp(rng.normal(0, spread)), 0.45, 2.0))
    stretch = np.full(len(quiet), whole)
    draw = rng.random()
    if draw < 0.4:
        return stretch
    if draw < 0.6:
        stretch[quiet] *= rng.uniform(_SMALLEST_STRETCH, 1)
    elif draw < 0.68:  # a tachycardia
        stretch[quiet] *= _SMALLEST_STRETCH
        stretch *= rng.uniform(0.5, 0.9)
    elif draw < 0.82:
        stretch[quiet] *= np.exp(rng.uniform(0, np.log(10)))
    else:  # an irregular rhythm
        steps = np.flatnonzero(np.diff(quiet.astype(np.int8), prepend=0) == 1)
        for begin, end in zip(steps, [*steps[1:], len(quiet)], strict=True):
            gap = begin + np.flatnonzero(quiet[begin:end])
            stretch[gap] *= np.exp(rng.uniform(np.log(_SMALLEST_STRETCH), np.log(4)))
    return stretch


def _fade(signal: Float32Array, begin: int) -> None:
    """Spread the step between two excerpts over the 40 ms before it."""
    step = signal[:, begin] - signal[:, begin - 1]
    ramp = np.arange(1, _N_FADE_SAMPLES + 1, dtype=np.float32) / (_N_FADE_SAMPLES + 1)
    signal[:, begin - _N_FADE_SAMPLES : begin] += step[:, None] * ramp


@kernel
def _interpolate(signal: Float32Array, times: FloatArray, out: Float32Array) -> None:
    """Set `out` to the signal at fractional sample indices."""
    last = len(signal) - 1
    for k in range(len(times)):
        place = min(max(times[k], 0.0), last - 1e-6)
        whole = int(place)
        part = place - whole
        out[k] = signal[whole] * (1 - part) + signal[whole + 1] * part


@kernel
def _cover(
    edges: FloatArray, classes: IntArray, begin: int, end: int, labels: Float32Array
) -> None:
    """Set `labels` to the share of each cell that lies in the spans of each class.

    Cell k is the time from sample 2k - 1 to 2k + 1; `begin` and `end` are even.
    """
    labels[:, begin // 2 : end // 2] = 0
    for k in range(len(classes)):
        if classes[k] == UNKNOWN:
            continue
        low = max(edges[k], float(begin - 1))
        high = min(edges[k + 1], float(end - 1))
        if high <= low:
            continue
        cell = max(int((low + 1) // 2), begin // 2)
        while cell < end // 2 and 2 * cell - 1 < high:
            covered = min(high, 2.0 * cell + 1) - max(low, 2.0 * cell - 1)
            if covered > 0:
                labels[classes[k], cell] += covered / 2
            cell += 1
