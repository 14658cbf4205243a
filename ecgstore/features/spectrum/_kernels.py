"""Kernels of the spectral features, for `ecgstore.features.spectrum.compute`.

The Fourier transform itself is NumPy's. The columns are numbered here, in the order of
`ecgstore.features.spectrum.definitions`.
"""

import math

import numpy as np

from ecgstore.arrays import BoolArray, ComplexArray, FloatArray, IntArray
from ecgstore.system.kernels import kernel

(
    LOW_POWER,
    MIDDLE_POWER,
    HIGH_POWER,
    RELATIVE_LOW_POWER,
    RELATIVE_MIDDLE_POWER,
    RELATIVE_HIGH_POWER,
    ENTROPY,
    DOMINANT_FREQUENCY,
    N_SPECTRAL,
) = range(9)

F_POWER, RELATIVE_F_POWER, F_FREQUENCY, F_CONCENTRATION, N_F_WAVE = range(5)

MIN_POWER_MV2 = 1e-18
"""Below this, power is the rounding error of a constant voltage, without a spectrum."""

NEAR_BELOW = 0.82
NEAR_ABOVE = 1.17
"""Edges of the band around the f wave frequency, as its multiples (Castells et al.)."""


@kernel
def write_segments(
    signal: FloatArray,
    window: FloatArray,
    step: int,
    limit: float,
    segments: FloatArray,
    usable: BoolArray,
) -> None:
    """Write the windowed segments of each lead, each without its mean.

    `segments` has shape (n_leads, n_segments, len(window)); the last one ends inside
    the signal. `usable` tells of each lead whether all voltages of the segments are
    finite and within `limit`; the segments of the other leads are 0.
    """
    n_leads, n_segments, n = segments.shape
    end = (n_segments - 1) * step + n
    for k in range(n_leads):
        n_good = 0
        for value in signal[k, :end]:
            n_good += abs(value) <= limit
        usable[k] = n_good == end
    totals = np.empty(n_leads)
    for s in range(n_segments):
        totals[:] = 0.0
        # All leads side by side, because the additions of one wait for one another.
        for i in range(s * step, s * step + n):
            for k in range(n_leads):
                totals[k] += signal[k, i]
        for k in range(n_leads):
            piece, to = signal[k, s * step : s * step + n], segments[k, s]
            if usable[k]:
                mean = totals[k] / n
                for i in range(n):
                    to[i] = (piece[i] - mean) * window[i]
            else:
                to[:] = 0.0


@kernel
def write_power(
    spectra: ComplexArray, usable: BoolArray, scale: float, power: FloatArray
) -> None:
    """Write the mean square of each lead's spectra, times `scale`.

    `spectra` has shape (n_leads, n_segments, n_all_frequencies), `power` (n_leads,
    n_frequencies). A lead that is not `usable` has none.
    """
    n_leads, n_segments = spectra.shape[:2]
    for k in range(n_leads):
        row = power[k]
        row[:] = 0.0 if usable[k] else math.nan
        for s in range(n_segments):
            for f in range(len(row)):
                value = spectra[k, s, f]
                row[f] += value.real * value.real + value.imag * value.imag
        for f in range(len(row)):
            row[f] *= scale / n_segments


@kernel
def spectral_features(
    power: FloatArray, edges: IntArray, resolution: float, out: FloatArray
) -> None:
    """Write the spectral features of every lead.

    The bands are the frequencies ``edges[0]`` to ``edges[1] - 1`` and so on.
    """
    for k in range(len(power)):
        row = out[k]
        row[:] = math.nan
        total = _sum(power[k], edges[0], edges[3])
        for band in range(3):
            row[LOW_POWER + band] = _sum(power[k], edges[band], edges[band + 1])
        if total > MIN_POWER_MV2:  # False for NaN
            for band in range(3):
                row[RELATIVE_LOW_POWER + band] = row[LOW_POWER + band] / total
            entropy = 0.0
            for f in range(edges[0], edges[3]):
                part = power[k, f] / total
                if part > 0:
                    entropy -= part * math.log(part)
            row[ENTROPY] = entropy / math.log(edges[3] - edges[0])
            highest = _highest(power[k], edges[0], edges[3])
            row[DOMINANT_FREQUENCY] = highest * resolution


@kernel
def write_residual(
    signal: FloatArray,
    starts: IntArray,
    n_template: int,
    template: FloatArray,
    counts: FloatArray,
    residual: FloatArray,
) -> None:
    """Write the residual of each lead: every beat minus the average beat, `template`.

    Beat b begins at ``starts[b]`` (in the signal, strictly increasing) and ends where
    the next one begins, or at the end of the signal. The residual begins with the first
    beat. Behind the `n_template` samples of the template, its last value is subtracted.
    """
    n_beats = len(starts)
    end = starts[0] + residual.shape[1]
    counts[:] = 0.0
    for b in range(n_beats):
        stop = starts[b + 1] if b + 1 < n_beats else end
        for i in range(min(n_template, stop - starts[b])):
            counts[i] += 1
    for k in range(len(signal)):
        template[:] = 0.0
        for b in range(n_beats):
            stop = starts[b + 1] if b + 1 < n_beats else end
            n = min(n_template, stop - starts[b])
            beat = signal[k, starts[b] : starts[b] + n]
            for i in range(n):
                template[i] += beat[i]
        for i in range(n_template):
            if counts[i] > 0:
                template[i] /= counts[i]
            else:
                template[i] = template[i - 1]
        last = template[n_template - 1]
        for b in range(n_beats):
            stop = starts[b + 1] if b + 1 < n_beats else end
            beat = signal[k, starts[b] : stop]
            rest = residual[k, starts[b] - starts[0] : stop - starts[0]]
            n = min(n_template, len(beat))
            for i in range(n):
                rest[i] = beat[i] - template[i]
            for i in range(n, len(beat)):
                rest[i] = beat[i] - last


@kernel
def f_wave_features(
    power: FloatArray, edges: IntArray, resolution: float, out: FloatArray
) -> None:
    """Write the features of the residual's spectrum of every lead.

    The whole band is the frequencies ``edges[0]`` to ``edges[3] - 1``, that of the f
    waves ``edges[1]`` to ``edges[2] - 1``.
    """
    for k in range(len(power)):
        row = out[k]
        row[:] = math.nan
        f_power = _sum(power[k], edges[1], edges[2])
        total = _sum(power[k], edges[0], edges[3])
        row[F_POWER] = f_power
        if total > MIN_POWER_MV2:  # False for NaN
            row[RELATIVE_F_POWER] = f_power / total
            highest = _highest(power[k], edges[1], edges[2])
            row[F_FREQUENCY] = highest * resolution
            near = _sum(
                power[k],
                math.ceil(NEAR_BELOW * highest),
                math.floor(NEAR_ABOVE * highest) + 1,
            )
            row[F_CONCENTRATION] = near / total


@kernel
def _sum(power: FloatArray, begin: int, end: int) -> float:
    """Return the sum from one frequency to before another."""
    total = 0.0
    for f in range(begin, end):
        total += power[f]
    return total


@kernel
def _highest(power: FloatArray, begin: int, end: int) -> int:
    """Return the index of the first maximum from one frequency to before another."""
    highest = begin
    for f in range(begin + 1, end):
        if power[f] > power[highest]:
            highest = f
    return highest
