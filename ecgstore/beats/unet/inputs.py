"""The network's input: usable leads at its sampling rate, scaled."""

import math
from typing import Final, NamedTuple, TypeVar

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.beats.types import MAX_VOLTAGE_MV
from ecgstore.beats.unet import _marks_kernels as kernels, _silence_kernels as silence
from ecgstore.beats.unet._network_kernels import STEP
from ecgstore.beats.unet._scaling_kernels import scale
from ecgstore.beats.unet.silence import silent_spans
from ecgstore.signals.gaps import interpolate_gaps

NETWORK_HZ: Final = 250.0
"""Sampling rate of the network's input; its output has half of it."""

MAX_GAP_S: Final = 0.1
"""Longest gap of missing samples that is interpolated; in longer ones, a lead is not
usable."""

LEAST_SPANS: Final = 16
"""A lead that is usable in fewer spans of 64 ms, 1 s in total, is left out."""

LEAST_RANGE_MV: Final = 1e-9
"""A lead is constant if its range is not larger than this, whatever its unit."""

MIN_RELATIVE_RANGE: Final = 0.004
"""A lead is flat if its range is smaller than this fraction of the usual range.

The limit is relative, so that the scale of a record does not matter. It is not 0,
because rounding to 1 uV leaves a range of 2 or 3 uV in a lead that was not connected.
"""

USUAL_RANGE_S: Final = 2.0
"""The usual range is the median over segments of the leads of this length.

Each of them holds a beat, unless the heart rate is below 30 per minute.
"""

HEIGHT: Final = 4.0
"""Usual range of a lead in the network's input."""

LIMIT: Final = 8.0
"""Larger values of the input, steps or spikes, are clipped."""


Floats = TypeVar("Floats", FloatArray, Float32Array)


class NetworkInput(NamedTuple):
    """What the network gets of a record.

    Attributes
    ----------
    leads : ndarray of shape (n_usable,)
        Indices of the leads that are usable at any time.
    voltages : ndarray of shape (n_usable, n_samples)
        Of these leads, in mV, at the record's own rate.
    x : ndarray of shape (n_usable, n)
        At `NETWORK_HZ`, centred and scaled.
    usable : ndarray of shape (n_usable, ceil(n / STEP))
        In which spans each of these leads is neither silent nor missing.
    """

    leads: IntArray
    voltages: FloatArray
    x: Float32Array
    usable: BoolArray


def network_input(signal: FloatArray, fs: float) -> NetworkInput | None:
    """Return what the network gets of a record.

    None without a usable lead, or if the record is too short.
    """
    missing = None
    if np.isnan(signal).any():
        signal = interpolate_gaps(signal, round(MAX_GAP_S * fs))
        missing = np.isnan(signal)
        signal = interpolate_gaps(signal, signal.shape[1])  # the network needs numbers
    x = _at_network_rate(np.ascontiguousarray(signal), fs)
    if x.shape[1] < 2:
        return None
    leads = np.flatnonzero(_usable_leads(x))
    if not len(leads):
        return None
    voltages, x = _rows(signal, leads), _rows(x, leads)
    usable = ~silent_spans(x)
    if missing is not None:
        step = fs / NETWORK_HZ
        for row, lead in zip(usable, leads, strict=True):
            places = np.flatnonzero(missing[lead]) / (step * STEP)
            # Linear interpolation spreads a sample over `step` or 1 on either side.
            reach = max(1 / step, 1) / STEP
            for shift in (-reach, 0.0, reach):
                row[np.clip((places + shift).astype(np.int64), 0, len(row) - 1)] = False
    heard = usable.sum(axis=1) >= min(LEAST_SPANS, usable.shape[1])
    if not heard.all():
        leads, voltages, x = leads[heard], voltages[heard], x[heard]
        usable = usable[heard]
        if not len(leads):
            return None
    for row, spans in zip(x, usable, strict=True):
        scale(row, spans, STEP, HEIGHT, LIMIT)
    return NetworkInput(leads, voltages, x, usable)


def _rows(values: Floats, leads: IntArray) -> Floats:
    """Return some leads, as an array whose rows are contiguous."""
    return np.ascontiguousarray(values if len(leads) == len(values) else values[leads])


def _at_network_rate(voltages: FloatArray, fs: float) -> Float32Array:
    """Return leads at 250 Hz, in mV."""
    step = fs / NETWORK_HZ
    n_samples = max(math.floor((voltages.shape[1] - 1) / step) + 1, 0)
    x = np.empty((len(voltages), n_samples), np.float32)
    kernels.resample(voltages, step, x)
    return x


def _usable_leads(x: Float32Array) -> BoolArray:
    """Return which leads hold voltages and are not flat, relative to the others.

    Leads are given at 250 Hz.
    """
    low, high = x.min(axis=1), x.max(axis=1)
    in_range = (low > -MAX_VOLTAGE_MV) & (high < MAX_VOLTAGE_MV)
    usable = np.zeros(len(x), np.bool_)
    usable[in_range] = high[in_range] - low[in_range] > LEAST_RANGE_MV
    if len(x) == 1 or not usable.any():
        return usable
    # Of segments, not of whole leads: a spike in half of the leads would decide.
    size = min(round(USUAL_RANGE_S * NETWORK_HZ), x.shape[1])
    ranges = np.empty((len(x), x.shape[1] // size), np.float32)
    silence.write_ranges(x, size, ranges)
    usual = np.median(ranges[usable])
    usable[usable] = high[usable] - low[usable] > MIN_RELATIVE_RANGE * usual
    return usable
