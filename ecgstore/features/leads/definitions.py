"""Features of several leads together: axes, angles, voltage criteria, Q waves.

All of them follow from the wave features of the leads.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from ecgstore.features.feature import Definition, FeatureGroup, Values
from ecgstore.record import LEADS

LOW_LIMB_MV: Final = 0.5
LOW_PRECORDIAL_MV: Final = 1.0
POOR_R_MV: Final = 0.3
MIN_Q_MS_V2_V3: Final = 20.0

MIN_AREA_MV_MS: Final = 1e-9
"""Below this an area is a rounding error and has no direction."""

_LIMB: Final = LEADS[:6]
_CHEST: Final = LEADS[6:]

_KORS_LEADS: Final = ("I", "II", *_CHEST)
_KORS: Final = (
    (0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54),
    (-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13),
    (0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31),
)
"""Regression matrix of Kors et al. 1990, Eur. Heart J. 11:1083; rows X, Y and Z."""

Function = Callable[[Values], float]


def _axis(area: str) -> Function:
    """Return the function for the axis of an area, in degrees from -180 to 180."""

    def axis(values: Values) -> float:
        # aVF is weaker than a bipolar lead by sqrt(3) / 2.
        down = 2 * values.lead("aVF", area)
        left = math.sqrt(3) * values.lead("I", area)
        if not abs(down) + abs(left) > MIN_AREA_MV_MS:  # True for NaN
            return math.nan
        return math.degrees(math.atan2(down, left))

    return axis


def _frontal_angle(values: Values) -> float:
    """Return the angle between the axes of QRS and T in the frontal plane."""
    turn = abs(values.record("qrs_axis_deg") - values.record("t_axis_deg"))
    return min(turn, 360 - turn)


def _spatial_angle(values: Values) -> float:
    """Return the angle between the areas of QRS and T as vectors in space."""
    qrs_areas = [values.lead(lead, "qrs_area_mv_ms") for lead in _KORS_LEADS]
    t_areas = [values.lead(lead, "t_area_mv_ms") for lead in _KORS_LEADS]
    product = qrs_square = t_square = 0.0
    for weights in _KORS:
        # Added one by one: the built-in sum compensates rounding from Python 3.12 on.
        qrs = t = 0.0
        for weight, qrs_area, t_area in zip(weights, qrs_areas, t_areas, strict=True):
            qrs += weight * qrs_area
            t += weight * t_area
        product += qrs * t
        qrs_square += qrs * qrs
        t_square += t * t
    lengths = math.sqrt(qrs_square) * math.sqrt(t_square)
    if not lengths > MIN_AREA_MV_MS**2:  # True for NaN
        return math.nan
    return math.degrees(math.acos(max(-1.0, min(1.0, product / lengths))))


def _r(values: Values, lead: str) -> float:
    """Return the height of the R wave in mV, 0 without one; NaN without a complex."""
    if math.isnan(values.lead(lead, "qrs_range_mv")):
        return math.nan
    height = values.lead(lead, "r_amplitude_mv")
    return 0.0 if math.isnan(height) else height


def _s(values: Values, lead: str) -> float:
    """Return the depth of the S wave or of a QS complex in mV, 0 without either.

    It is NaN without a complex.
    """
    if math.isnan(values.lead(lead, "qrs_range_mv")):
        return math.nan
    s, q = (values.lead(lead, f"{wave}_amplitude_mv") for wave in "sq")
    depth = 0.0 if math.isnan(s) else -s
    if math.isnan(values.lead(lead, "r_amplitude_mv")) and not math.isnan(q):
        depth = max(depth, -q)
    return depth


def _sokolow_lyon(values: Values) -> float:
    """Return S(V1) + the larger of R(V5) and R(V6); NaN if one is undefined."""
    v5, v6 = _r(values, "V5"), _r(values, "V6")
    larger = math.nan if math.isnan(v5 + v6) else max(v5, v6)
    return _s(values, "V1") + larger


def _low_voltage(leads: Sequence[str], limit_mv: float) -> Function:
    """Return the function for the flag of a complex that is low in every lead."""

    def flag(values: Values) -> float:
        ranges = [values.lead(lead, "qrs_range_mv") for lead in leads]
        if any(value >= limit_mv for value in ranges):
            return 0.0
        return math.nan if any(map(math.isnan, ranges)) else 1.0

    return flag


def _transition(values: Values) -> float:
    """Return where from V1, 1, to V6, 6, R outgrows S; 7 if it never does."""
    before = math.nan
    for k, lead in enumerate(_CHEST):
        excess = _r(values, lead) - _s(values, lead)
        if math.isnan(excess):
            return math.nan
        if excess >= 0:
            return 1.0 if k == 0 else k + before / (before - excess)
        before = excess
    return 7.0


def _poor_r_progression(values: Values) -> float:
    """Return the flag of a low R wave in V3."""
    height = _r(values, "V3")
    return math.nan if math.isnan(height) else float(height <= POOR_R_MV)


def _q_waves(leads: Sequence[str]) -> Function:
    """Return the function for the flag of pathological Q waves in two of some leads."""

    def flag(values: Values) -> float:
        n_leads = 0.0
        for lead in leads:
            n_leads += values.lead(lead, "pathological_q")
        return math.nan if math.isnan(n_leads) else float(n_leads >= 2)

    return flag


def _q_waves_anterior(values: Values) -> float:
    """Return the flag of pathological Q waves in two neighbours from V2 to V6."""
    flags = [_any_q(values, lead) for lead in ("V2", "V3")]
    flags += [values.lead(lead, "pathological_q") for lead in ("V4", "V5", "V6")]
    if any(map(math.isnan, flags)):
        return math.nan
    return float(any(left and right for left, right in pairwise(flags)))


def _any_q(values: Values, lead: str) -> float:
    """Return the flag of a Q wave of more than 20 ms, or of a QS complex."""
    if math.isnan(values.lead(lead, "pathological_q")):
        return math.nan
    has_q = not math.isnan(values.lead(lead, "q_amplitude_mv"))
    is_wide = values.lead(lead, "q_duration_ms") > MIN_Q_MS_V2_V3
    is_qs = math.isnan(values.lead(lead, "r_amplitude_mv"))
    return float(has_q and (is_wide or is_qs))


def _dispersion(name: str) -> Function:
    """Return the function for the largest minus the smallest value of the leads."""

    def dispersion(values: Values) -> float:
        of_leads = values[name][1:].tolist()
        defined = [value for value in of_leads if not math.isnan(value)]
        return max(defined) - min(defined) if len(defined) >= 2 else math.nan

    return dispersion


_NOVOSEL: Final = "Novosel et al. 1999, Croat. Med. J. 40:77"
_CHOU: Final = (
    "Surawicz and Knilans 2008, Chou's Electrocardiography in Clinical Practice"
)
_UNIVERSAL: Final = "Thygesen et al. 2018, Circulation 138:e618"

_NO_COMPLEX: Final = "one of the leads has no QRS complex"
_NO_FLAG: Final = "pathological_q is undefined in one of them"
_ONE_LEAD: Final = "it is defined in less than 2 leads"

_DEFINITIONS: Final = (
    *(
        Definition(
            f"{wave}_axis_deg",
            "deg",
            f"atan2(2 a(aVF), sqrt(3) a(I)), a = {wave}_area",
            _NOVOSEL,
            (-180, 180),
            "the area is undefined in lead I or aVF, or 0 in both",
            _axis(f"{wave}_area_mv_ms"),
        )
        for wave in ("p", "qrs", "t")
    ),
    Definition(
        "qrs_t_angle_frontal_deg",
        "deg",
        "|qrs_axis - t_axis|, or 360 minus that if it is above 180",
        "Zhang et al. 2007, Am. J. Cardiol. 100:844",
        (0, 180),
        "one of the axes is undefined",
        _frontal_angle,
    ),
    Definition(
        "qrs_t_angle_spatial_deg",
        "deg",
        "angle between (X, Y, Z) of qrs_area and of t_area, from I, II and V1 to V6 by "
        "the regression matrix of Kors",
        "Kors et al. 1990, Eur. Heart J. 11:1083; Cortez and Schlegel 2010, "
        "J. Electrocardiol. 43:302",
        (0, 180),
        "an area is undefined in one of these leads, or 0 in all",
        _spatial_angle,
    ),
    Definition(
        "sokolow_lyon_mv",
        "mV",
        "S(V1) + the larger of R(V5) and R(V6)",
        "Sokolow and Lyon 1949, Am. Heart J. 37:161",
        (0, 12),
        _NO_COMPLEX,
        _sokolow_lyon,
    ),
    Definition(
        "cornell_mv",
        "mV",
        "R(aVL) + S(V3)",
        "Casale et al. 1985, J. Am. Coll. Cardiol. 6:572",
        (0, 12),
        _NO_COMPLEX,
        lambda values: _r(values, "aVL") + _s(values, "V3"),
    ),
    Definition(
        "cornell_product_mv_ms",
        "mV ms",
        "cornell * qrs_duration",
        "Molloy et al. 1992, J. Am. Coll. Cardiol. 20:1180",
        (0, 1500),
        "one of the factors is undefined",
        lambda values: values.record("cornell_mv") * values.record("qrs_duration_ms"),
    ),
    *(
        Definition(
            f"low_voltage_{name}",
            "1",
            f"1 if qrs_range is below {limit_mv:g} mV in each of {text}, else 0",
            _CHOU,
            (0, 1),
            "qrs_range is undefined in one of them and reaches the limit in none",
            _low_voltage(leads, limit_mv),
        )
        for name, leads, limit_mv, text in (
            ("limb", _LIMB, LOW_LIMB_MV, "I, II, III, aVR, aVL and aVF"),
            ("precordial", _CHEST, LOW_PRECORDIAL_MV, "V1 to V6"),
        )
    ),
    Definition(
        "transition_lead",
        "1",
        "place from V1, 1, to V6, 6, where R - S turns from below 0 to above, by "
        "linear interpolation; 1 if V1 is above, 7 if none is",
        _CHOU,
        (1, 7),
        "one of the leads up to there has no QRS complex",
        _transition,
    ),
    Definition(
        "poor_r_progression",
        "1",
        f"1 if R(V3) is {POOR_R_MV:g} mV or less, else 0",
        "Zema and Kligfield 1982, Arch. Intern. Med. 142:1145",
        (0, 1),
        "V3 has no QRS complex",
        _poor_r_progression,
    ),
    Definition(
        "q_waves_inferior",
        "1",
        "1 if two of II, III and aVF have a pathological Q wave, else 0",
        _UNIVERSAL,
        (0, 1),
        _NO_FLAG,
        _q_waves(("II", "III", "aVF")),
    ),
    Definition(
        "q_waves_lateral",
        "1",
        "1 if I and aVL have a pathological Q wave, else 0",
        _UNIVERSAL,
        (0, 1),
        _NO_FLAG,
        _q_waves(("I", "aVL")),
    ),
    Definition(
        "q_waves_anterior",
        "1",
        "1 if two neighbours from V2 to V6 have a pathological Q wave, else 0; in V2 "
        f"and V3 it is one of more than {MIN_Q_MS_V2_V3:g} ms, or a QS complex",
        _UNIVERSAL,
        (0, 1),
        _NO_FLAG,
        _q_waves_anterior,
    ),
    Definition(
        "p_dispersion_ms",
        "ms",
        "largest - smallest p_duration of the leads",
        "Dilaveris et al. 1998, Am. Heart J. 135:733",
        (0, 120),
        _ONE_LEAD,
        _dispersion("p_duration_ms"),
    ),
    Definition(
        "qrs_dispersion_ms",
        "ms",
        "largest - smallest qrs_duration of the leads",
        "ecgstore",
        (0, 150),
        _ONE_LEAD,
        _dispersion("qrs_duration_ms"),
    ),
    Definition(
        "qt_dispersion_ms",
        "ms",
        "largest - smallest qt_interval of the leads",
        "Day et al. 1990, Br. Heart J. 63:342",
        (0, 300),
        _ONE_LEAD,
        _dispersion("qt_interval_ms"),
    ),
)

_NOTES: Final = """\
These features combine wave features of several leads. Those are medians over the beats,
so an axis is that of the median beat, and no circular mean is needed. Angles are in
degrees, clockwise from lead I: 0 points to the patient's left, 90 down; -180 and 180
are the same. An axis is a circular quantity: compute the difference of two as
`qrs_t_angle_frontal_deg` does, and use sine and cosine as inputs of a linear model.

R(lead) is the height of the R wave, S(lead) the depth of the S wave or of a QS complex;
each is 0 if the complex has no such wave.
"""

VECTORS: Final = FeatureGroup(
    position=3,
    title="Axes, voltages and criteria of several leads",
    notes=_NOTES,
    definitions=_DEFINITIONS,
    per_lead=False,
)

GROUPS: Final = (VECTORS,)
