"""Wave features against their plain definitions."""

import math
from typing import Any

import numpy as np
from hypothesis import given, strategies as st

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import Beats, BeatStatus
from ecgstore.features.feature import Inputs, Values
from ecgstore.features.rr.definitions import RR
from ecgstore.features.waves import _kernels as kernels
from ecgstore.features.waves.compute import BASELINE_S, EARLY, LATE, q_s_peaks
from ecgstore.features.waves.definitions import WAVES
from ecgstore.record import Mark

FS = 500.0
NAMES = [definition.name for definition in WAVES.definitions]
NAN = math.nan
ST_DELAYS = (0, 0.04, 0.06, 0.08)


def random_record(seed: int) -> tuple[FloatArray, Beats]:
    """Return noise with marks in order, of which some are missing."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 1, (12, 900)).cumsum(axis=1) / 20
    r_peaks = np.array([90, 290, 480, 700, 860])[: rng.integers(0, 6)]
    steps = rng.integers(0, 12, (12, len(r_peaks), 9))
    steps[..., : Mark.R_PEAK] *= -1
    steps[..., Mark.R_PEAK] = rng.integers(-2, 3, steps.shape[:2])
    before = steps[..., Mark.R_PEAK :: -1].cumsum(axis=2)[..., ::-1]
    behind = steps[..., Mark.R_PEAK :].cumsum(axis=2)
    marks = r_peaks[:, None] + np.concatenate([before, behind[..., 1:]], axis=2)
    marks[rng.random(marks.shape) < 0.1] = -1
    marks[rng.random((12, len(r_peaks))) < 0.1] = -1
    marks[rng.random(12) < 0.1] = -1
    marks[marks >= signal.shape[1]] = -1
    return signal, Beats(r_peaks, marks, BeatStatus.OK)


def wave_features(signal: FloatArray, beats: Beats) -> FloatArray:
    """Return all features of the group, of the record and of its leads."""
    inputs, values = Inputs(signal, beats, FS, "neurokit"), Values()
    RR.compute(inputs, values)
    return WAVES.compute(inputs, values)


def middle(values: list[float]) -> float:
    """Return the median of the values that are not NaN."""
    defined = [value for value in values if not math.isnan(value)]
    return float(np.median(defined)) if defined else NAN


def plain_beat(lead: FloatArray, marks: IntArray, q: int, s: int) -> dict[str, float]:
    """Return the values of one beat of one lead, by their definition."""
    at = {m: int(marks[m]) for m in Mark}

    def ms(begin: Mark, end: Mark) -> float:
        if at[begin] < 0 or at[end] < 0:
            return NAN
        return (at[end] - at[begin]) / FS * 1000

    def mv(place: int) -> float:
        return float(lead[place]) if 0 <= place < len(lead) else NAN

    on, off = at[Mark.QRS_ON], at[Mark.QRS_OFF]
    level = NAN
    if on >= 0:
        begin = max(on - round(BASELINE_S * FS), at[Mark.P_OFF], 0)
        level = float(lead[begin:on].mean()) if begin < on else mv(on)

    def area(begin: Mark, end: Mark) -> float:
        if at[begin] < 0 or at[end] < at[begin]:
            return NAN
        height = lead[at[begin] : at[end] + 1] - level
        return float((height[1:] + height[:-1]).sum() / 2 * 1000 / FS) + 0 * level

    q_duration = NAN
    if q >= 0:
        back = [i for i in range(q + 1, off + 1) if lead[i] >= lead[on]]
        last = back[0] if back else off
        q_duration = last - on
        if back:
            q_duration += np.interp(lead[on], lead[last - 1 : last + 1], [-1, 0])
        q_duration *= 1000 / FS
    r = mv(at[Mark.R_PEAK]) - level
    q_mv, s_mv = mv(q) - level, mv(s) - level
    complete = 0 <= on <= off
    st = [
        mv(off + round(delay * FS)) - level if off >= 0 else NAN for delay in ST_DELAYS
    ]
    return {
        "p_duration_ms": ms(Mark.P_ON, Mark.P_OFF),
        "pr_interval_ms": ms(Mark.P_ON, Mark.QRS_ON),
        "qrs_duration_ms": ms(Mark.QRS_ON, Mark.QRS_OFF),
        "qt_interval_ms": ms(Mark.QRS_ON, Mark.T_OFF),
        "jt_interval_ms": ms(Mark.QRS_OFF, Mark.T_OFF),
        "tpeak_tend_ms": ms(Mark.T_PEAK, Mark.T_OFF),
        "r_peak_time_ms": ms(Mark.QRS_ON, Mark.R_PEAK),
        "q_duration_ms": q_duration,
        "p_amplitude_mv": mv(at[Mark.P_PEAK]) - level,
        "q_amplitude_mv": q_mv if q_mv < 0 else NAN,
        "r_amplitude_mv": r if r >= 0.03 else NAN,
        "s_amplitude_mv": s_mv if s_mv < 0 else NAN,
        "t_amplitude_mv": mv(at[Mark.T_PEAK]) - level,
        "qrs_range_mv": float(np.ptp(lead[on : off + 1])) if complete else NAN,
        "j_level_mv": st[0],
        "st40_level_mv": st[1],
        "st60_level_mv": st[2],
        "st80_level_mv": st[3],
        "st_slope_mv_per_s": (st[3] - st[0]) / 0.08,
        "p_area_mv_ms": area(Mark.P_ON, Mark.P_OFF),
        "qrs_area_mv_ms": area(Mark.QRS_ON, Mark.QRS_OFF),
        "t_area_mv_ms": area(Mark.T_ON, Mark.T_OFF),
    }


def plain_qtc(qt: float, r_peaks: IntArray) -> dict[str, float]:
    """Return the corrected QT intervals."""
    rr = float(np.median(np.diff(r_peaks))) / FS if len(r_peaks) > 1 else NAN
    return {
        "qtc_bazett_ms": qt / rr**0.5,
        "qtc_fridericia_ms": qt / rr ** (1 / 3),
        "qtc_framingham_ms": qt + 154 * (1 - rr),
        "qtc_hodges_ms": qt + 1.75 * (60 / rr - 60),
    }


def plain_lead(
    lead: FloatArray, marks: IntArray, q_s: IntArray, r_peaks: IntArray
) -> dict[str, float]:
    """Return the features of one lead, by their definition."""
    beats = [plain_beat(lead, m, *p.tolist()) for m, p in zip(marks, q_s, strict=True)]
    row = {k: middle([b[k] for b in beats]) for k in plain_beat(lead, NONE, -1, -1)}
    row |= plain_qtc(row["qt_interval_ms"], r_peaks)
    r, s = row["r_amplitude_mv"], row["s_amplitude_mv"]
    heights = np.nan_to_num([r, -s])
    whole = (marks[:, [Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF]] >= 0).all(axis=1)
    often = 2 * (q_s[:, 0] >= 0).sum() >= whole.sum()
    deep = row["q_amplitude_mv"] <= -0.1
    wide = row["q_duration_ms"] >= 30 or math.isnan(r)
    t = row["t_amplitude_mv"]
    has_r = marks[:, Mark.R_PEAK] >= 0
    has_p = marks[has_r][:, Mark.P_PEAK] >= 0
    return row | {
        "p_presence": float(has_p.mean()) if has_r.any() else NAN,
        "r_to_rs_ratio": heights[0] / heights.sum() if heights.any() else NAN,
        "t_to_r_ratio": t / r,
        "t_sign": NAN if math.isnan(t) else np.sign(t) * (abs(t) >= 0.1),
        "pathological_q": float(often and deep and wide) if whole.any() else NAN,
    }


NONE = np.full(9, -1)


def plain_waves(signal: FloatArray, beats: Beats) -> list[dict[str, float]]:
    """Return the features of the record and of its leads, by their definition."""
    places = q_s_peaks(signal, beats.fiducials)  # has its own plain definition
    leads = [
        plain_lead(lead, marks, q_s, beats.r_peaks)
        for lead, marks, q_s in zip(signal, beats.fiducials, places, strict=True)
    ]
    record = {name: middle([lead[name] for lead in leads]) for name in NAMES}
    for name in ("t_sign", "pathological_q"):
        values = [lead[name] for lead in leads if not math.isnan(lead[name])]
        record[name] = float(np.mean(values)) if values else NAN
    for name, begin, end, part in (
        ("p_duration_ms", Mark.P_ON, Mark.P_OFF, LATE),
        ("pr_interval_ms", Mark.P_ON, Mark.QRS_ON, EARLY),
        ("qrs_duration_ms", Mark.QRS_ON, Mark.QRS_OFF, LATE),
        ("qt_interval_ms", Mark.QRS_ON, Mark.T_OFF, LATE),
    ):
        intervals = []
        for b in range(len(beats.r_peaks)):
            first, last = (beats.fiducials[:, b, mark] for mark in (begin, end))
            if (first >= 0).any() and (last >= 0).any():
                early = np.quantile(first[first >= 0], EARLY)
                late = np.quantile(last[last >= 0], part)
                intervals.append(float(late - early) / FS * 1000)
        record[name] = middle(intervals)
    record["jt_interval_ms"] = record["qt_interval_ms"] - record["qrs_duration_ms"]
    record |= plain_qtc(record["qt_interval_ms"], beats.r_peaks)
    rows = [record, *leads]
    for row in rows:
        if not row["p_presence"] >= 0.5:
            row |= dict.fromkeys(P_NAMES, NAN)
    return rows


P_NAMES = {"p_duration_ms", "pr_interval_ms", "p_amplitude_mv", "p_area_mv_ms"}


@given(st.integers(0, 2**32 - 1))
def test_wave_features_equal_their_plain_definitions(seed: int) -> None:
    signal, beats = random_record(seed)
    expected = plain_waves(signal, beats)
    got = wave_features(signal, beats)
    for k, row in enumerate(expected):
        values = [row[name] for name in NAMES]
        np.testing.assert_allclose(got[k], values, rtol=1e-9, atol=1e-9, err_msg=str(k))


def test_kernel_equals_its_plain_python() -> None:
    signal, beats = random_record(11)
    n_beats = len(beats.r_peaks)
    assert n_beats > 2
    outs = []
    kernel: Any = kernels.wave_features
    for function in (kernel, kernel.py_func):
        out = np.empty((13, kernels.N_FEATURES))
        work = np.empty((kernels.N_OF_BEATS, 12))
        places = np.empty((n_beats, 2), np.int64)
        arguments = (signal, beats.fiducials, FS, 10, EARLY, LATE)
        function(*arguments, work, places, out)
        outs.append(out)
    np.testing.assert_allclose(outs[0], outs[1], rtol=1e-12)


def test_the_columns_of_the_kernel_are_those_of_the_definitions() -> None:
    measured = [feature.name for feature in WAVES.definitions if feature.value is None]
    assert len(measured) == kernels.N_FEATURES
    for place, name in enumerate(measured):
        for unit in ("_ms", "_mv", "_per_s"):
            name = name.removesuffix(unit)
        column = name.removesuffix("_mv").upper()
        assert getattr(kernels, column) == place, name
