"""Wave features, axes and criteria against their plain definitions."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import Beats, BeatStatus
from ecgstore.features.leads import _kernels as vector_kernels
from ecgstore.features.leads.compute import vector_features
from ecgstore.features.leads.definitions import VECTORS
from ecgstore.features.waves import _kernels as wave_kernels
from ecgstore.features.waves.compute import (
    BASELINE_S,
    EARLY,
    LATE,
    q_s_peaks,
    wave_features,
)
from ecgstore.features.waves.definitions import WAVES
from ecgstore.record import LEADS, Mark

FS = 500.0
WAVE_NAMES = [each.name for each in WAVES.definitions]
VECTOR_NAMES = [each.name for each in VECTORS.definitions]
NAN = math.nan


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


def middle(values: list[float]) -> float:
    """Return the median of what is defined."""
    defined = [each for each in values if not math.isnan(each)]
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
    st = [mv(off + round(each * FS)) - level if off >= 0 else NAN for each in ST_S]
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


ST_S = (0, 0.04, 0.06, 0.08)


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
    has_r = (marks[:, Mark.R_PEAK] >= 0).any()
    has_p = marks[:, Mark.P_PEAK] >= 0
    return row | {
        "p_presence": float(has_p.mean()) if has_r else NAN,
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
        plain_lead(*each, beats.r_peaks)
        for each in zip(signal, beats.fiducials, places, strict=True)
    ]
    record = {name: middle([lead[name] for lead in leads]) for name in WAVE_NAMES}
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
    got = wave_features(signal, beats, FS)
    for k, row in enumerate(expected):
        values = [row[name] for name in WAVE_NAMES]
        np.testing.assert_allclose(got[k], values, rtol=1e-9, atol=1e-9, err_msg=str(k))


def plain_vectors(waves: FloatArray) -> dict[str, float]:
    """Return the features of several leads, by their definition."""
    lead = {
        name: dict(zip(WAVE_NAMES, row.tolist(), strict=True))
        for name, row in zip(("", *LEADS), waves, strict=True)
    }

    def of(name: str, leads: Any) -> FloatArray:
        return np.array([lead[each][name] for each in leads])

    def axis(area: str) -> float:
        aVF, i = lead["aVF"][area], lead["I"][area]
        if aVF == 0 == i:
            return NAN
        return math.degrees(math.atan2(2 * aVF, math.sqrt(3) * i))

    def r(name: str) -> float:
        value = lead[name]["r_amplitude_mv"]
        if math.isnan(lead[name]["qrs_range_mv"]):
            return NAN
        return 0.0 if math.isnan(value) else value

    def s(name: str) -> float:
        if math.isnan(lead[name]["qrs_range_mv"]):
            return NAN
        deepest = -lead[name]["s_amplitude_mv"]
        if math.isnan(lead[name]["r_amplitude_mv"]):
            deepest = np.fmax(deepest, -lead[name]["q_amplitude_mv"])
        return float(np.nan_to_num(deepest))

    def low(leads: Any, limit: float) -> float:
        ranges = of("qrs_range_mv", leads)
        if (ranges >= limit).any():
            return 0.0
        return NAN if np.isnan(ranges).any() else 1.0

    def transition() -> float:
        excess = [r(name) - s(name) for name in LEADS[6:]]
        for k, value in enumerate(excess):
            if math.isnan(value):
                return NAN
            if value >= 0:
                return (
                    1.0
                    if k == 0
                    else float(np.interp(0, excess[k - 1 : k + 1], [k, k + 1]))
                )
        return 7.0

    def flag(leads: Any, needed: int) -> float:
        values = of("pathological_q", leads)
        return NAN if np.isnan(values).any() else float(values.sum() >= needed)

    def anterior() -> float:
        flags = of("pathological_q", LEADS[7:])
        if np.isnan(flags).any():
            return NAN
        for k, name in enumerate(("V2", "V3")):
            q = lead[name]
            has_q = not math.isnan(q["q_amplitude_mv"])
            is_qs = math.isnan(q["r_amplitude_mv"])
            flags[k] = has_q and (q["q_duration_ms"] > 20 or is_qs)
        return float((flags[1:] * flags[:-1]).any())

    def spread(name: str) -> float:
        values = of(name, LEADS)
        values = values[~np.isnan(values)]
        return float(np.ptp(values)) if len(values) >= 2 else NAN

    kors_leads = ("V1", "V2", "V3", "V4", "V5", "V6", "I", "II")
    kors = np.array(
        [
            [-0.13, 0.05, -0.01, 0.14, 0.06, 0.54, 0.38, -0.07],
            [0.06, -0.02, -0.05, 0.06, -0.17, 0.13, -0.07, 0.93],
            [-0.43, -0.06, -0.14, -0.20, -0.11, 0.31, 0.11, -0.23],
        ]
    )
    qrs, t = (
        kors @ of(area, kors_leads) for area in ("qrs_area_mv_ms", "t_area_mv_ms")
    )
    lengths = np.linalg.norm(qrs) * np.linalg.norm(t)
    spatial = (
        math.degrees(math.acos(np.clip(qrs @ t / lengths, -1, 1))) if lengths else NAN
    )
    qrs_axis, t_axis = axis("qrs_area_mv_ms"), axis("t_area_mv_ms")
    turn = abs((qrs_axis - t_axis + 180) % 360 - 180)
    cornell = r("aVL") + s("V3")
    r_v3 = r("V3")
    return {
        "p_axis_deg": axis("p_area_mv_ms"),
        "qrs_axis_deg": qrs_axis,
        "t_axis_deg": t_axis,
        "qrs_t_angle_frontal_deg": turn,
        "qrs_t_angle_spatial_deg": spatial,
        "sokolow_lyon_mv": s("V1") + float(np.max([r("V5"), r("V6")])),
        "cornell_mv": cornell,
        "cornell_product_mv_ms": cornell * lead[""]["qrs_duration_ms"],
        "low_voltage_limb": low(LEADS[:6], 0.5),
        "low_voltage_precordial": low(LEADS[6:], 1.0),
        "transition_lead": transition(),
        "poor_r_progression": NAN if math.isnan(r_v3) else float(r_v3 <= 0.3),
        "q_waves_inferior": flag(("II", "III", "aVF"), 2),
        "q_waves_lateral": flag(("I", "aVL"), 2),
        "q_waves_anterior": anterior(),
        "p_dispersion_ms": spread("p_duration_ms"),
        "qrs_dispersion_ms": spread("qrs_duration_ms"),
        "qt_dispersion_ms": spread("qt_interval_ms"),
    }


def random_waves(seed: int) -> FloatArray:
    """Return wave features of all kinds, those of waves that are absent too."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(0, 30, (13, len(WAVE_NAMES)))
    column = WAVE_NAMES.index
    size = rng.choice([0.2, 1.0, 3.0])
    waves[:, column("qrs_range_mv")] = size * rng.random(13)
    waves[:, column("r_amplitude_mv")] = size * (0.03 + rng.random(13))
    for name in ("q_amplitude_mv", "s_amplitude_mv"):
        waves[:, column(name)] = -size * rng.random(13)
        waves[rng.random(13) < 0.3, column(name)] = NAN
    waves[rng.random(13) < 0.3, column("r_amplitude_mv")] = NAN
    waves[:, column("pathological_q")] = rng.random(13) < 0.4
    waves[rng.random(waves.shape) < rng.choice([0, 0.02])] = NAN
    return waves


@given(st.integers(0, 2**32 - 1))
def test_vector_features_equal_their_plain_definitions(seed: int) -> None:
    waves = random_waves(seed)
    got = dict(zip(VECTOR_NAMES, vector_features(waves).tolist(), strict=True))
    for name, value in plain_vectors(waves).items():
        assert got[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name


def test_known_axes_and_transitions() -> None:
    waves = np.full((13, len(WAVE_NAMES)), NAN)
    area = WAVE_NAMES.index("qrs_area_mv_ms")
    t_area = WAVE_NAMES.index("t_area_mv_ms")
    lead_i, avf = 1 + LEADS.index("I"), 1 + LEADS.index("aVF")
    for degrees in (-150, -90, -30, 0, 45, 90, 180):
        # lead I sees the cosine, aVF the sine less sqrt(3) / 2 of it
        waves[lead_i, area] = math.cos(math.radians(degrees))
        waves[avf, area] = math.sin(math.radians(degrees)) * math.sqrt(3) / 2
        waves[lead_i, t_area], waves[avf, t_area] = -1.0, -1e-12  # just below -180
        got = dict(zip(VECTOR_NAMES, vector_features(waves).tolist(), strict=True))
        assert got["qrs_axis_deg"] == pytest.approx(degrees)
        assert got["qrs_t_angle_frontal_deg"] == pytest.approx(
            180 - abs(degrees), abs=1e-6
        )
    waves[:, WAVE_NAMES.index("qrs_range_mv")] = 1.0
    waves[:, WAVE_NAMES.index("r_amplitude_mv")] = [0, *[1] * 6, 0.2, 0.4, 0.5, 1, 1, 1]
    waves[:, WAVE_NAMES.index("s_amplitude_mv")] = [
        0,
        *[-1] * 6,
        -1,
        -1,
        -0.7,
        -0.7,
        0,
        0,
    ]
    got = dict(zip(VECTOR_NAMES, vector_features(waves).tolist(), strict=True))
    assert got["transition_lead"] == pytest.approx(3.4)  # -0.2 in V3, 0.3 in V4


def test_kernels_equal_their_plain_python() -> None:
    signal, beats = random_record(11)
    n_beats = len(beats.r_peaks)
    assert n_beats > 2
    outs = []
    kernel: Any = wave_kernels.wave_features
    for function in (kernel, kernel.py_func):
        out = np.empty((13, wave_kernels.N_FEATURES))
        work = np.empty((wave_kernels.N_OF_BEATS, 12))
        places = np.empty((n_beats, 2), np.int64)
        arguments = (signal, beats.r_peaks, beats.fiducials, FS, 10, EARLY, LATE)
        function(*arguments, work, places, out)
        outs.append(out)
    np.testing.assert_allclose(outs[0], outs[1], rtol=1e-12)
    rows = []
    kernel = vector_kernels.vector_features
    for of_leads in (kernel, kernel.py_func):
        row = np.empty(vector_kernels.N_FEATURES)
        of_leads(outs[0][1:], outs[0][0, wave_kernels.QRS_DURATION], row)
        rows.append(row)
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


def test_the_columns_of_the_kernels_are_those_of_the_tables() -> None:
    assert len(WAVE_NAMES) == wave_kernels.N_FEATURES
    assert len(VECTOR_NAMES) == vector_kernels.N_FEATURES
    units = ("_ms", "_mv", "_deg", "_per_s")
    for kernels, names in ((wave_kernels, WAVE_NAMES), (vector_kernels, VECTOR_NAMES)):
        for place, name in enumerate(names):
            for unit in (*units, *units):
                name = name.removesuffix(unit)
            column = RENAMED.get(name, name).upper()
            assert getattr(kernels, column) == place, name


RENAMED = {
    "qrs_t_angle_frontal": "frontal_qrs_t_angle",
    "qrs_t_angle_spatial": "spatial_qrs_t_angle",
}
