"""Features of several leads together: plain definitions, known axes and waves."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.arrays import FloatArray
from ecgstore.beats import Beats, BeatStatus
from ecgstore.features.feature import Inputs, Values
from ecgstore.features.leads.definitions import VECTORS
from ecgstore.features.waves.definitions import WAVES
from ecgstore.record import LEADS

NAMES = [definition.name for definition in VECTORS.definitions]
WAVE_NAMES = [definition.name for definition in WAVES.definitions]
NAN = math.nan


def vector_features(waves: FloatArray) -> dict[str, float]:
    """Return the features that follow from the waves of a record and its leads."""
    inputs = Inputs(np.empty((12, 0)), Beats.none(BeatStatus.OK), 500.0, "neurokit")
    values = Values(zip(WAVE_NAMES, waves.T, strict=True))
    (row,) = VECTORS.compute(inputs, values).tolist()
    return dict(zip(NAMES, row, strict=True))


def plain_vectors(waves: FloatArray) -> dict[str, float]:
    """Return the features of several leads, by their definition."""
    lead = {
        name: dict(zip(WAVE_NAMES, row.tolist(), strict=True))
        for name, row in zip(("", *LEADS), waves, strict=True)
    }

    def of(name: str, leads: Any) -> FloatArray:
        return np.array([lead[of_lead][name] for of_lead in leads])

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
    """Return wave features of any size, some of them of absent waves."""
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
    got = vector_features(waves)
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
        got = vector_features(waves)
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
    got = vector_features(waves)
    assert got["transition_lead"] == pytest.approx(3.4)  # -0.2 in V3, 0.3 in V4
