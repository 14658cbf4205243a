"""Kernel of the RR-interval features, for `ecgstore.features.rr.compute`.

The columns are numbered here, in the order of `ecgstore.features.rr.definitions`, where
names, formulas and sources stand.
"""

import math

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features._order_kernels import median_of_sorted, quantile, sort
from ecgstore.system.kernels import kernel

(
    N_BEATS,
    N_RR,
    MEAN_RR,
    SDNN,
    RMSSD,
    SDSD,
    CVNN,
    CVSD,
    MEDIAN_RR,
    MAD_RR,
    MCVNN,
    IQR_RR,
    SDRMSSD,
    PRC20_RR,
    PRC80_RR,
    MIN_RR,
    MAX_RR,
    PNN20,
    PNN50,
    PNN60,
    HTI,
    TINN,
    MEAN_HR,
    MIN_HR,
    MAX_HR,
    SD_HR,
    SD1,
    SD2,
    SD1_SD2_RATIO,
    TURNING_POINT_RATIO,
    MEDIAN_ABS_DIFF_RATIO,
    N_ECTOPIC,
    DIFF_HISTOGRAM_ENTROPY,
    N_FEATURES,
) = range(34)

BIN_MS = 1000 / 128
"""Width of the bins of the geometrical features (Task Force 1996): 1/128 s."""

MIN_GEOMETRIC_MS = 20 * 60_000.0
"""Shortest series for HTI and TINN (Task Force 1996): 20 minutes."""

DIFF_BIN = 0.05
"""Width of the bins of the differences, as a fraction of the median interval."""

_MAD_TO_SD = 1.4826
_MS_PER_MINUTE = 60_000.0
_ROUNDING_MS = 1e-9


@kernel
def n_bins_needed(r_peaks: IntArray, fs: float) -> int:
    """Return the number of bins for the histogram of a series of beats.

    It is 0 if the series is too short for geometrical features, and -1 if the beats are
    not strictly increasing.
    """
    n_beats = len(r_peaks)
    widest = 0
    for i in range(n_beats - 1):
        interval = r_peaks[i + 1] - r_peaks[i]
        if interval <= 0:
            return -1
        widest = max(widest, interval)
    # With a minute of tolerance: the sum of the rounded intervals decides later.
    if (
        n_beats > 0
        and (r_peaks[n_beats - 1] - r_peaks[0]) / fs * 1000
        > MIN_GEOMETRIC_MS - _MS_PER_MINUTE
    ):
        return int(widest / fs * 1000 / BIN_MS) + 2
    return 0


@kernel
def features_of_series(
    r_peaks: IntArray,
    fs: float,
    ddof: int,
    pnn_ddof: int,
    work: FloatArray,
    histogram: IntArray,
    row: FloatArray,
) -> None:
    """Write the features of a series of beats, which are strictly increasing.

    `work` has shape (3, n_beats), `histogram` (n_bins_needed,), `row` (N_FEATURES,).
    `ddof` is subtracted from the divisor of standard deviations, `pnn_ddof` from that
    of pNNx.
    """
    row[:] = math.nan
    row[N_BEATS] = len(r_peaks)
    n = max(len(r_peaks) - 1, 0)
    row[N_RR] = n
    if n == 0:
        return
    rr = work[0, :n]
    ordered = work[1, :n]
    for i in range(n):
        # In NeuroKit2's order of operations: |difference| > 50 ms depends on rounding.
        rr[i] = (r_peaks[i + 1] - r_peaks[i]) / fs * 1000
        ordered[i] = rr[i]
    sort(ordered)
    _write_order_features(rr, ordered, row)
    _write_heart_rate(rr, ddof, work[2, :n], row)
    if n >= 2:
        _write_variability(rr, ddof, pnn_ddof, work[2, : n - 1], row)
        _write_irregularity(rr, work[2, : n - 1], row)
    if row[MEAN_RR] * n >= MIN_GEOMETRIC_MS:
        row[HTI] = triangular_index(ordered)
        row[TINN] = triangle_width(ordered, histogram)


@kernel
def _median_distance(ordered: FloatArray, centre: float) -> float:
    """Return the median distance of sorted values from their median `centre`.

    Distances grow to either side of the centre, so two pointers visit them in order.
    """
    n = len(ordered)
    right = 0
    while right < n and ordered[right] < centre:
        right += 1
    left = right - 1
    before = 0.0
    distance = 0.0
    for _ in range(n // 2 + 1):
        before = distance
        if right >= n or (
            left >= 0 and centre - ordered[left] <= ordered[right] - centre
        ):
            distance = centre - ordered[left]
            left -= 1
        else:
            distance = ordered[right] - centre
            right += 1
    return distance if n % 2 else 0.5 * (before + distance)


@kernel
def _sd(values: FloatArray, ddof: int) -> float:
    """Return the standard deviation, in two passes: equal values give 0."""
    total = 0.0
    for value in values:
        total += value
    mean = total / len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return math.sqrt(squares / (len(values) - ddof))


@kernel
def _write_order_features(rr: FloatArray, ordered: FloatArray, row: FloatArray) -> None:
    """Write location, extremes and quantiles, and spread from two intervals on."""
    n = len(rr)
    total = 0.0
    for i in range(n):
        total += rr[i]
    median = median_of_sorted(ordered)
    mad = _MAD_TO_SD * _median_distance(ordered, median)
    row[MEAN_RR] = total / n
    row[MEDIAN_RR] = median
    row[MAD_RR] = mad
    row[PRC20_RR] = quantile(ordered, 0.2)
    row[PRC80_RR] = quantile(ordered, 0.8)
    row[MIN_RR] = ordered[0]
    row[MAX_RR] = ordered[n - 1]
    if n >= 2:
        row[MCVNN] = mad / median
        row[IQR_RR] = quantile(ordered, 0.75) - quantile(ordered, 0.25)


@kernel
def _write_heart_rate(
    rr: FloatArray, ddof: int, rates: FloatArray, row: FloatArray
) -> None:
    """Write mean, extremes and sd of the heart rate; `rates` is scratch."""
    n = len(rr)
    total = 0.0
    for i in range(n):
        rates[i] = _MS_PER_MINUTE / rr[i]
        total += rates[i]
    row[MEAN_HR] = total / n
    row[MIN_HR] = _MS_PER_MINUTE / row[MAX_RR]
    row[MAX_HR] = _MS_PER_MINUTE / row[MIN_RR]
    if n >= 2:
        row[SD_HR] = _sd(rates, ddof)


@kernel
def _write_variability(
    rr: FloatArray, ddof: int, pnn_ddof: int, pairs: FloatArray, row: FloatArray
) -> None:
    """Write deviations and successive differences (n >= 2); `pairs` is scratch."""
    n = len(rr)
    squares = 0.0
    over_20 = 0
    over_50 = 0
    over_60 = 0
    for i in range(n - 1):
        difference = rr[i + 1] - rr[i]
        pairs[i] = difference
        squares += difference * difference
        over_20 += abs(difference) > 20
        over_50 += abs(difference) > 50
        over_60 += abs(difference) > 60
    row[SDNN] = _sd(rr, ddof)
    row[RMSSD] = math.sqrt(squares / (n - 1))
    row[CVNN] = row[SDNN] / row[MEAN_RR]
    row[CVSD] = row[RMSSD] / row[MEAN_RR]
    row[PNN20] = over_20 / (n - pnn_ddof)
    row[PNN50] = over_50 / (n - pnn_ddof)
    row[PNN60] = over_60 / (n - pnn_ddof)
    if row[RMSSD] > 0:
        row[SDRMSSD] = row[SDNN] / row[RMSSD]
    if n >= 3:
        row[SDSD] = _sd(pairs, ddof)
        row[SD1] = row[SDSD] / math.sqrt(2)
        for i in range(n - 1):
            pairs[i] = rr[i + 1] + rr[i]
        row[SD2] = _sd(pairs, ddof) / math.sqrt(2)
        if row[SD2] > _ROUNDING_MS:
            row[SD1_SD2_RATIO] = row[SD1] / row[SD2]


@kernel
def _write_irregularity(
    rr: FloatArray, differences: FloatArray, row: FloatArray
) -> None:
    """Write the features of ectopic beats and fibrillation (n >= 2)."""
    n = len(rr)
    median = row[MEDIAN_RR]
    n_ectopic = 0
    n_turns = 0
    for i in range(n - 1):
        differences[i] = abs(rr[i + 1] - rr[i])
        n_ectopic += rr[i] < 0.8 * median and rr[i + 1] > 1.15 * median
        if i:
            n_turns += (rr[i] - rr[i - 1]) * (rr[i + 1] - rr[i]) < 0
    sort(differences)
    row[MEDIAN_ABS_DIFF_RATIO] = median_of_sorted(differences) / median
    row[N_ECTOPIC] = n_ectopic
    if n >= 3:
        row[TURNING_POINT_RATIO] = n_turns / (n - 2)
        for i in range(n - 1):
            place = (rr[i + 1] - rr[i]) / (DIFF_BIN * median)
            differences[i] = math.floor(place + 0.5)
        sort(differences)
        row[DIFF_HISTOGRAM_ENTROPY] = _entropy_of_runs(differences) / math.log(n - 1)


@kernel
def _entropy_of_runs(ordered: FloatArray) -> float:
    """Return the Shannon entropy of sorted values, a bin for each distinct value."""
    entropy = 0.0
    begin = 0
    for i in range(1, len(ordered) + 1):
        if i == len(ordered) or ordered[i] != ordered[begin]:
            part = (i - begin) / len(ordered)
            entropy -= part * math.log(part)
            begin = i
    return entropy


@kernel
def _bin(value: float, highest: float) -> int:
    """Return the bin of an interval; the last bin includes its upper edge."""
    place = int(value / BIN_MS)
    if place * BIN_MS > value:  # the quotient was rounded up to a whole number
        place -= 1
    if value == highest and place * BIN_MS == value:
        place -= 1
    return place


@kernel
def triangular_index(ordered: FloatArray) -> float:
    """Return the number of sorted intervals / the height of their histogram."""
    highest = ordered[len(ordered) - 1]
    height = 0
    begin = 0
    for i in range(len(ordered)):
        if _bin(ordered[i], highest) != _bin(ordered[begin], highest):
            begin = i
        height = max(height, i - begin + 1)
    return len(ordered) / height


@kernel
def triangle_width(ordered: FloatArray, histogram: IntArray) -> float:
    """Return the base in ms of the triangle nearest to the histogram.

    The apex is the highest bin, the feet are edges of bins. The squared errors left and
    right of the apex add up, so the two feet are searched separately.
    """
    highest = ordered[len(ordered) - 1]
    n_bins = _bin(highest, highest) + 1
    histogram[:n_bins] = 0
    for i in range(len(ordered)):
        histogram[_bin(ordered[i], highest)] += 1
    apex = 0
    for k in range(n_bins):
        if histogram[k] > histogram[apex]:
            apex = k
    left = _foot(histogram, apex, -1, apex + 1)
    right = _foot(histogram, apex, 1, n_bins - apex)
    return (left + right) * BIN_MS


@kernel
def _foot(histogram: IntArray, apex: int, step: int, n_bins: int) -> int:
    """Return after how many bins from the apex the best straight flank is zero."""
    best = 1
    least = math.inf
    for width in range(1, n_bins + 1):
        error = 0.0
        for k in range(n_bins):
            flank = histogram[apex] * max(0.0, 1 - k / width)
            error += (histogram[apex + step * k] - flank) ** 2
        if error < least:
            least = error
            best = width
    return best
