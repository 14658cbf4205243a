"""Kernels of the wave features, for `ecgstore.features.waves.compute`.

The columns of a lead's values are numbered here, in the order of those definitions in
`ecgstore.features.waves.definitions` that are measured; formulas and sources stand
there. Marks are in the order of `ecgstore.record.Mark`; -1 is an absent mark, and all
others lie inside the signal.
"""

import math

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features._order_kernels import (
    mean_of_defined,
    median_of_defined,
    median_of_sorted,
    quantile,
    sort,
)
from ecgstore.system.kernels import kernel

P_ON, P_PEAK, P_OFF, QRS_ON, R_PEAK, QRS_OFF, T_ON, T_PEAK, T_OFF = range(9)

# First the medians over the beats of values of each beat, then what follows from
# these medians.
(
    P_DURATION,
    PR_INTERVAL,
    QRS_DURATION,
    QT_INTERVAL,
    JT_INTERVAL,
    TPEAK_TEND,
    R_PEAK_TIME,
    Q_DURATION,
    P_AMPLITUDE,
    Q_AMPLITUDE,
    R_AMPLITUDE,
    S_AMPLITUDE,
    T_AMPLITUDE,
    QRS_RANGE,
    J_LEVEL,
    ST40_LEVEL,
    ST60_LEVEL,
    ST80_LEVEL,
    ST_SLOPE,
    P_AREA,
    QRS_AREA,
    T_AREA,
    P_PRESENCE,
    R_TO_RS_RATIO,
    T_TO_R_RATIO,
    T_SIGN,
    PATHOLOGICAL_Q,
    N_FEATURES,
) = range(28)
N_OF_BEATS = P_PRESENCE
"""Number of columns that are medians over the beats."""

MIN_WAVE_MV = 0.03
FLAT_T_MV = 0.1
MIN_Q_MV = 0.1
MIN_Q_MS = 30.0
MIN_P_PRESENCE = 0.5


@kernel
def wave_features(
    signal: FloatArray,
    marks: IntArray,
    fs: float,
    n_baseline: int,
    early: float,
    late: float,
    work: FloatArray,
    places: IntArray,
    out: FloatArray,
) -> None:
    """Write the features of the record to row 0 of `out`, and of its leads below.

    `work` has shape (N_OF_BEATS, max(n_beats, n_leads)), `places` (n_beats, 2).
    """
    n_leads, n_beats = marks.shape[:2]
    for k in range(n_leads):
        lead = signal[k]
        lead_marks = marks[k]
        q_s_of_lead(lead, lead_marks, work[0], places)
        for b in range(n_beats):
            _write_beat(lead, lead_marks[b], places[b], fs, n_baseline, work[:, b])
        row = out[1 + k]
        for column in range(N_OF_BEATS):
            row[column] = median_of_defined(work[column, :n_beats])
        _write_counts(lead_marks, places, row)
        _write_ratios(row)
    for column in range(N_FEATURES):
        for k in range(n_leads):
            work[0, k] = out[1 + k, column]
        if column in (T_SIGN, PATHOLOGICAL_Q):
            out[0, column] = mean_of_defined(work[0, :n_leads])
        else:
            out[0, column] = median_of_defined(work[0, :n_leads])
    _write_intervals_of_record(marks, fs, early, late, work, out[0])
    for k in range(1 + n_leads):
        if not out[k, P_PRESENCE] >= MIN_P_PRESENCE:  # True for NaN
            out[k, P_DURATION] = math.nan
            out[k, PR_INTERVAL] = math.nan
            out[k, P_AMPLITUDE] = math.nan
            out[k, P_AREA] = math.nan


@kernel
def q_s_of_lead(
    lead: FloatArray, marks: IntArray, work: FloatArray, places: IntArray
) -> None:
    """Write where the Q and the S wave of every beat of a lead are deepest, or -1.

    `work` has room for a value of every beat.
    """
    places[:] = -1
    wave = 0  # 0: Q, 1: S
    for side in range(2):
        # Decided on all beats of the lead: in single beats, noise decides whether there
        # is a tiny r wave.
        n_rises = 0
        for b in range(len(marks)):
            dip = _dip(lead, marks[b], side)
            if dip >= 0:
                start = marks[b, QRS_ON]
                work[n_rises] = _highest(lead, start, dip) - lead[start]
                n_rises += 1
        if n_rises == 0:
            continue
        sort(work[:n_rises])
        # A dip behind an r wave is an S wave, and so is every later dip.
        wave = max(wave, int(median_of_sorted(work[:n_rises]) >= MIN_WAVE_MV))
        for b in range(len(marks)):
            dip = _dip(lead, marks[b], side)
            if dip >= 0 and (places[b, wave] < 0 or lead[dip] < lead[places[b, wave]]):
                places[b, wave] = dip


@kernel
def q_s_of_leads(
    signal: FloatArray, marks: IntArray, work: FloatArray, places: IntArray
) -> None:
    """Write the places of `q_s_of_lead` for every lead."""
    for k in range(len(signal)):
        q_s_of_lead(signal[k], marks[k], work, places[k])


@kernel
def _dip(lead: FloatArray, marks: IntArray, side: int) -> int:
    """Return the first minimum before (0) or behind (1) the R-peak; -1 if too small."""
    on = marks[QRS_ON]
    r_peak = marks[R_PEAK]
    off = marks[QRS_OFF]
    if on < 0 or r_peak < 0 or off < 0:
        return -1
    begin = r_peak if side else on
    end = off if side else r_peak
    lowest = begin
    for i in range(begin + 1, end + 1):
        if lead[i] < lead[lowest]:
            lowest = i
    if begin > end or (side and lowest == r_peak):
        return -1
    return int(lowest) if lead[lowest] <= lead[on] - MIN_WAVE_MV else -1


@kernel
def _highest(lead: FloatArray, begin: int, end: int) -> float:
    """Return the highest voltage between two samples, both included."""
    highest = lead[begin]
    for i in range(begin + 1, end + 1):
        highest = max(highest, lead[i])
    return float(highest)


@kernel
def _write_beat(
    lead: FloatArray,
    marks: IntArray,
    q_s: IntArray,
    fs: float,
    n_baseline: int,
    values: FloatArray,
) -> None:
    """Write the values of one beat of one lead; NaN where a mark is missing."""
    ms = 1000 / fs
    on = marks[QRS_ON]
    off = marks[QRS_OFF]
    values[P_DURATION] = _between(marks[P_ON], marks[P_OFF]) * ms
    values[PR_INTERVAL] = _between(marks[P_ON], on) * ms
    values[QRS_DURATION] = _between(on, off) * ms
    values[QT_INTERVAL] = _between(on, marks[T_OFF]) * ms
    values[JT_INTERVAL] = _between(off, marks[T_OFF]) * ms
    values[TPEAK_TEND] = _between(marks[T_PEAK], marks[T_OFF]) * ms
    values[R_PEAK_TIME] = _between(on, marks[R_PEAK]) * ms
    values[Q_DURATION] = _q_duration(lead, on, off, q_s[0]) * ms
    level = _isoelectric_level(lead, marks[P_OFF], on, n_baseline)
    values[P_AMPLITUDE] = _voltage(lead, marks[P_PEAK]) - level
    values[T_AMPLITUDE] = _voltage(lead, marks[T_PEAK]) - level
    r = _voltage(lead, marks[R_PEAK]) - level
    values[R_AMPLITUDE] = r if r >= MIN_WAVE_MV else math.nan
    # Both lie below the voltage at QRS onset, but the isoelectric level may be lower.
    q = _voltage(lead, q_s[0]) - level
    s = _voltage(lead, q_s[1]) - level
    values[Q_AMPLITUDE] = q if q < 0 else math.nan
    values[S_AMPLITUDE] = s if s < 0 else math.nan
    values[QRS_RANGE] = _range(lead, on, off)
    j = _voltage(lead, off) - level
    values[J_LEVEL] = j
    values[ST40_LEVEL] = _later(lead, off, 0.04 * fs) - level
    values[ST60_LEVEL] = _later(lead, off, 0.06 * fs) - level
    st80 = _later(lead, off, 0.08 * fs) - level
    values[ST80_LEVEL] = st80
    values[ST_SLOPE] = (st80 - j) / (math.floor(0.08 * fs + 0.5) / fs)
    values[P_AREA] = _area(lead, marks[P_ON], marks[P_OFF], level) * ms
    values[QRS_AREA] = _area(lead, on, off, level) * ms
    values[T_AREA] = _area(lead, marks[T_ON], marks[T_OFF], level) * ms


@kernel
def _between(begin: int, end: int) -> float:
    """Return the number of samples between two marks; NaN if one is missing."""
    return float(end - begin) if begin >= 0 and end >= 0 else math.nan


@kernel
def _voltage(lead: FloatArray, place: int) -> float:
    """Return the voltage at a sample; NaN if its index is negative."""
    return float(lead[place]) if place >= 0 else math.nan


@kernel
def _later(lead: FloatArray, place: int, delay: float) -> float:
    """Return the voltage `delay` samples behind a place; NaN outside the record."""
    later = place + math.floor(delay + 0.5)
    return float(lead[later]) if place >= 0 and later < len(lead) else math.nan


@kernel
def _isoelectric_level(lead: FloatArray, p_off: int, on: int, n_baseline: int) -> float:
    """Return the mean between P wave and QRS onset, or the voltage at the onset."""
    if on < 0:
        return math.nan
    total = 0.0
    n = 0
    for i in range(max(on - n_baseline, p_off, 0), on):
        total += lead[i]
        n += 1
    return total / n if n else float(lead[on])


@kernel
def _q_duration(lead: FloatArray, on: int, off: int, q: int) -> float:
    """Return the samples from QRS onset until the voltage is back at that of the onset.

    If it never is, the Q wave lasts to the QRS offset. NaN without a Q wave.
    """
    if q < 0:
        return math.nan
    start = lead[on]
    for i in range(q + 1, off + 1):
        if lead[i] >= start:
            rise = (start - lead[i - 1]) / (lead[i] - lead[i - 1])
            return float(i - 1 - on + rise)
    return float(off - on)


@kernel
def _range(lead: FloatArray, begin: int, end: int) -> float:
    """Return the highest minus the lowest voltage between two marks."""
    if begin < 0 or end < begin:
        return math.nan
    lowest = lead[begin]
    highest = lead[begin]
    for i in range(begin + 1, end + 1):
        lowest = min(lowest, lead[i])
        highest = max(highest, lead[i])
    return float(highest - lowest)


@kernel
def _area(lead: FloatArray, begin: int, end: int, level: float) -> float:
    """Return the integral over the samples between two marks, by trapezoids."""
    if begin < 0 or end < begin:
        return math.nan
    total = -0.5 * (lead[begin] + lead[end])
    for i in range(begin, end + 1):
        total += lead[i]
    return float(total - level * (end - begin))


@kernel
def _write_counts(marks: IntArray, places: IntArray, row: FloatArray) -> None:
    """Write the fraction of beats with a P wave, and the flag of Q waves.

    Beats without an R-peak, for which the lead is silent, do not count.
    """
    n_r = 0
    n_p = 0
    n_qrs = 0
    n_q = 0
    for b in range(len(marks)):
        n_r += marks[b, R_PEAK] >= 0
        n_p += marks[b, R_PEAK] >= 0 and marks[b, P_PEAK] >= 0
        n_qrs += (
            marks[b, QRS_ON] >= 0 and marks[b, R_PEAK] >= 0 and marks[b, QRS_OFF] >= 0
        )
        n_q += places[b, 0] >= 0
    row[P_PRESENCE] = n_p / n_r if n_r else math.nan
    row[PATHOLOGICAL_Q] = math.nan
    if n_qrs:
        deep = 2 * n_q >= n_qrs and row[Q_AMPLITUDE] <= -MIN_Q_MV
        wide = row[Q_DURATION] >= MIN_Q_MS or math.isnan(row[R_AMPLITUDE])
        row[PATHOLOGICAL_Q] = 1.0 if deep and wide else 0.0


@kernel
def _write_ratios(row: FloatArray) -> None:
    """Write the ratios of a lead's amplitudes, and the sign of its T wave."""
    r = row[R_AMPLITUDE]
    s = row[S_AMPLITUDE]
    t = row[T_AMPLITUDE]
    row[T_TO_R_RATIO] = t / r
    if math.isnan(r):
        row[R_TO_RS_RATIO] = math.nan if math.isnan(s) else 0.0
    else:
        row[R_TO_RS_RATIO] = 1.0 if math.isnan(s) else r / (r - s)
    row[T_SIGN] = math.nan
    if not math.isnan(t):
        row[T_SIGN] = (1.0 if t >= FLAT_T_MV else 0.0) - (
            1.0 if t <= -FLAT_T_MV else 0.0
        )


@kernel
def _write_intervals_of_record(
    marks: IntArray,
    fs: float,
    early: float,
    late: float,
    work: FloatArray,
    row: FloatArray,
) -> None:
    """Write the intervals from an early onset to a late offset of the leads."""
    ms = 1000 / fs
    n_beats = marks.shape[1]
    spare = work[4]
    for b in range(n_beats):
        p_on = _mark_of_leads(marks[:, b], P_ON, early, spare)
        qrs_on = _mark_of_leads(marks[:, b], QRS_ON, early, spare)
        work[0, b] = (_mark_of_leads(marks[:, b], P_OFF, late, spare) - p_on) * ms
        work[1, b] = (qrs_on - p_on) * ms
        work[2, b] = (_mark_of_leads(marks[:, b], QRS_OFF, late, spare) - qrs_on) * ms
        work[3, b] = (_mark_of_leads(marks[:, b], T_OFF, late, spare) - qrs_on) * ms
    row[P_DURATION] = median_of_defined(work[0, :n_beats])
    row[PR_INTERVAL] = median_of_defined(work[1, :n_beats])
    row[QRS_DURATION] = median_of_defined(work[2, :n_beats])
    row[QT_INTERVAL] = median_of_defined(work[3, :n_beats])
    row[JT_INTERVAL] = row[QT_INTERVAL] - row[QRS_DURATION]


@kernel
def _mark_of_leads(marks: IntArray, mark: int, part: float, spare: FloatArray) -> float:
    """Return a quantile of one mark over the leads that have it, or NaN."""
    n = 0
    for k in range(len(marks)):
        if marks[k, mark] >= 0:
            spare[n] = marks[k, mark]
            n += 1
    if n == 0:
        return math.nan
    sort(spare[:n])
    return float(quantile(spare[:n], part))
