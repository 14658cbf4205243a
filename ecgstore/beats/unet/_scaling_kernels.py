"""Centre and scale a lead for the network, with a gain that follows its amplitude."""

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array
from ecgstore.system.kernels import kernel

_BIN = 125
"""Samples from one window to the next: 0.5 s."""

_WINDOW = 4
"""Length of a window in bins: 2 s hold a beat at 30 or more per minute."""

_AROUND = 12
"""The usual range at a time is the median of the windows up to 6 s from it."""

_LEAST_SHARE = 0.1
"""The usual range is at least this share of that of the whole lead: noise in a long
pause stays small."""


@kernel
def scale(
    row: Float32Array, usable: BoolArray, step: int, height: float, limit: float
) -> None:
    """Centre a lead and scale it in place, so that its usual range becomes `height`.

    An artefact or a group of ectopic beats does not make the beats around it small,
    because the usual range is a median; a change of the gain is followed in 6 s.

    Parameters
    ----------
    row : ndarray of shape (n_samples,)
        Voltages at 250 Hz, in any unit.
    usable : ndarray of shape (n_spans,)
        Whether the lead is usable in each span of `step` samples. The other spans are
        bridged by straight lines; steps at their ends might resemble waves.
    step : int
        Length of a span in samples.
    height : float
        Usual range afterwards.
    limit : float
        Larger values, those of steps or spikes, are clipped.
    """
    n = len(row)
    centre = np.float32(_centre(row, usable, step))
    n_bins = max(-(-n // _BIN), 1)
    usual = np.zeros(n_bins, np.float32)
    _write_usual_ranges(row, usable, step, usual)
    smallest = np.float32(1e-30)  # so that the gain is finite
    last = n_bins - 1
    for k in range(n_bins):
        # Between the centres of this window and of the next one.
        gain = np.float32(height) / max(usual[k], smallest)
        slope = np.float32(height) / max(usual[min(k + 1, last)], smallest) - gain
        first = k * _BIN
        for t in range(first, min(first + _BIN, n)):
            part = np.float32(t - first) * np.float32(1 / _BIN)
            value = (row[t] - centre) * (gain + part * slope)
            row[t] = min(max(value, np.float32(-limit)), np.float32(limit))
    _bridge(row, usable, step)


@kernel
def _centre(row: Float32Array, usable: BoolArray, step: int) -> float:
    """Return the median of every eighth usable sample."""
    n = 0
    values = np.empty(len(row) // 8 + 1, np.float32)
    for t in range(0, len(row), 8):
        if usable[t // step]:
            values[n] = row[t]
            n += 1
    if n == 0:
        return 0.0
    return _median(values, n)


@kernel
def _median(values: Float32Array, n: int) -> float:
    """Return the median of the first `n` values, which change places."""
    upper = n // 2
    low, high = 0, n - 1
    while low < high:  # Hoare's selection: values[upper] is where it would be in order
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if upper <= j:
            high = j
        elif upper >= i:
            low = i
        else:
            break
    lower = values[upper]
    if n % 2 == 0:
        lower = values[0]
        for k in range(1, upper):
            lower = max(lower, values[k])
    return float(lower + values[upper]) / 2


@kernel
def _write_usual_ranges(
    row: Float32Array, usable: BoolArray, step: int, out: Float32Array
) -> None:
    """Set `out` to the usual range around the beginning of each bin."""
    n, n_bins = len(row), len(out)
    lows = np.full(n_bins, np.inf, np.float32)
    highs = np.full(n_bins, -np.inf, np.float32)
    whole = np.ones(n_bins, np.bool_)
    all_usable = usable.all()
    for k in range(n_bins):
        end = min((k + 1) * _BIN, n)
        t = k * _BIN
        while t < end:
            until = end if all_usable else min((t // step + 1) * step, end)
            if usable[t // step]:
                low, high = lows[k], highs[k]
                for i in range(t, until):
                    low, high = min(low, row[i]), max(high, row[i])
                lows[k], highs[k] = low, high
            else:
                whole[k] = False
            t = until
    n_windows = max(n_bins - _WINDOW + 1, 1)
    if n_windows > 1 and n < n_bins * _BIN:
        n_windows -= 1  # the last bin is cut
    ranges = np.full(n_windows, -1.0, np.float32)
    largest = np.float32(0)
    for k in range(n_windows):
        low, high, n_whole = np.inf, -np.inf, 0
        for i in range(k, min(k + _WINDOW, n_bins)):
            low, high = min(low, lows[i]), max(high, highs[i])
            n_whole += whole[i]
        if high >= low:
            largest = max(largest, np.float32(high - low))
            if n_whole >= min(_WINDOW, n_bins) - 1:
                ranges[k] = high - low
    in_order = np.empty(n_windows, np.float32)
    n_known = 0
    for k in range(n_windows):
        if ranges[k] >= 0:
            in_order[n_known] = ranges[k]
            n_known += 1
    overall = _median(in_order, n_known) if n_known else 0.0
    if overall <= 0:
        overall = float(largest)
    # Both ends of the windows around a bin move on by 0 or 1 from bin to bin.
    first = until = n_known = 0
    for k in range(n_bins):
        centre = k - _WINDOW // 2  # the window whose middle is the bin's beginning
        begin = min(max(centre - _AROUND, 0), n_windows - 1)
        end = min(max(centre + _AROUND + 1, begin + 1), n_windows)
        while until < end:
            n_known = _insert(in_order, n_known, ranges[until])
            until += 1
        while first < begin:
            n_known = _remove(in_order, n_known, ranges[first])
            first += 1
        local = _middle(in_order, n_known)
        out[k] = max(local, _LEAST_SHARE * overall) if local > 0 else overall


@kernel
def _insert(in_order: Float32Array, n: int, value: float) -> int:
    """Insert a value into the first `n`, unless it is negative; return their number."""
    if value < 0:
        return n
    k = n
    while k > 0 and in_order[k - 1] > value:
        in_order[k] = in_order[k - 1]
        k -= 1
    in_order[k] = value
    return n + 1


@kernel
def _remove(in_order: Float32Array, n: int, value: float) -> int:
    """Remove a value of the first `n`, unless it is negative; return their number."""
    if value < 0:
        return n
    k = 0
    while k < n - 1 and in_order[k] < value:
        k += 1
    for i in range(k, n - 1):
        in_order[i] = in_order[i + 1]
    return n - 1


@kernel
def _middle(in_order: Float32Array, n: int) -> float:
    """Return the median of the first `n` values; 0 without one."""
    if n == 0:
        return 0.0
    return float(in_order[(n - 1) // 2] + in_order[n // 2]) / 2


@kernel
def _bridge(row: Float32Array, usable: BoolArray, step: int) -> None:
    """Replace spans that are not usable by lines between their neighbours."""
    n, n_spans = len(row), -(-len(row) // step)
    k = 0
    while k < n_spans:
        if usable[k]:
            k += 1
            continue
        until = k
        while until < n_spans and not usable[until]:
            until += 1
        first, end = k * step, min(until * step, n)
        left = row[first - 1] if first > 0 else np.float32(0)
        right = row[end] if end < n else left
        if first == 0:
            left = right
        slope = (right - left) / np.float32(end - first + 1)
        for t in range(first, end):
            row[t] = left + slope * np.float32(t - first + 1)
        k = until
