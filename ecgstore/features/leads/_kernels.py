"""Kernels of the features of several leads; see `ecgstore.features.leads.compute`.

The columns of the values are numbered here and named, in the same order, in
`ecgstore.features.leads.definitions`.
"""

import math

from ecgstore.arrays import FloatArray
from ecgstore.features.waves._kernels import (
    P_AREA,
    P_DURATION,
    PATHOLOGICAL_Q,
    Q_AMPLITUDE,
    Q_DURATION,
    QRS_AREA,
    QRS_DURATION,
    QRS_RANGE,
    QT_INTERVAL,
    R_AMPLITUDE,
    S_AMPLITUDE,
    T_AREA,
)
from ecgstore.system.kernels import kernel

(
    P_AXIS,
    QRS_AXIS,
    T_AXIS,
    FRONTAL_QRS_T_ANGLE,
    SPATIAL_QRS_T_ANGLE,
    SOKOLOW_LYON,
    CORNELL,
    CORNELL_PRODUCT,
    LOW_VOLTAGE_LIMB,
    LOW_VOLTAGE_PRECORDIAL,
    TRANSITION_LEAD,
    POOR_R_PROGRESSION,
    Q_WAVES_INFERIOR,
    Q_WAVES_LATERAL,
    Q_WAVES_ANTERIOR,
    P_DISPERSION,
    QRS_DISPERSION,
    QT_DISPERSION,
    N_FEATURES,
) = range(19)

LEAD_I, LEAD_II, LEAD_III, AVR, AVL, AVF, V1, V2, V3, V4, V5, V6 = range(12)

LOW_LIMB_MV = 0.5
LOW_PRECORDIAL_MV = 1.0
POOR_R_MV = 0.3
MIN_Q_MS_V2_V3 = 20.0
MIN_AREA_MV_MS = 1e-9
"""Below this an area is rounding, and has no direction."""

# Kors et al. 1990, Eur. Heart J. 11:1083, the regression matrix; rows are X, Y and Z.
KORS_LEADS = (LEAD_I, LEAD_II, V1, V2, V3, V4, V5, V6)
KORS = (
    (0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54),
    (-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13),
    (0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31),
)


@kernel
def vector_features(leads: FloatArray, qrs_duration_ms: float, row: FloatArray) -> None:
    """Write the features of a record from the wave features of its 12 leads."""
    row[P_AXIS] = _axis(leads, P_AREA)
    row[QRS_AXIS] = _axis(leads, QRS_AREA)
    row[T_AXIS] = _axis(leads, T_AREA)
    turn = abs(row[QRS_AXIS] - row[T_AXIS])
    row[FRONTAL_QRS_T_ANGLE] = min(turn, 360 - turn)
    row[SPATIAL_QRS_T_ANGLE] = _spatial_angle(leads)
    row[SOKOLOW_LYON] = _s_depth(leads[V1]) + _larger(_r(leads[V5]), _r(leads[V6]))
    row[CORNELL] = _r(leads[AVL]) + _s_depth(leads[V3])
    row[CORNELL_PRODUCT] = row[CORNELL] * qrs_duration_ms
    row[LOW_VOLTAGE_LIMB] = _are_low(leads[LEAD_I : AVF + 1], LOW_LIMB_MV)
    row[LOW_VOLTAGE_PRECORDIAL] = _are_low(leads[V1 : V6 + 1], LOW_PRECORDIAL_MV)
    row[TRANSITION_LEAD] = _transition(leads[V1 : V6 + 1])
    row[POOR_R_PROGRESSION] = _flag(-_r(leads[V3]), -POOR_R_MV)
    _write_q_waves(leads, row)
    row[P_DISPERSION] = _spread(leads[:, P_DURATION])
    row[QRS_DISPERSION] = _spread(leads[:, QRS_DURATION])
    row[QT_DISPERSION] = _spread(leads[:, QT_INTERVAL])


@kernel
def _axis(leads: FloatArray, area: int) -> float:
    """Return the direction in the frontal plane in degrees, from -180 to 180."""
    # aVF is weaker than a bipolar lead by sqrt(3) / 2.
    down = 2 * leads[AVF, area]
    left = math.sqrt(3) * leads[LEAD_I, area]
    if not abs(down) + abs(left) > MIN_AREA_MV_MS:  # True for NaN
        return math.nan
    return math.degrees(math.atan2(down, left))


@kernel
def _spatial_angle(leads: FloatArray) -> float:
    """Return the angle between the areas of QRS and T as vectors in space."""
    product = 0.0
    qrs_square = 0.0
    t_square = 0.0
    for axis in KORS:
        qrs = 0.0
        t = 0.0
        for i in range(len(KORS_LEADS)):
            qrs += axis[i] * leads[KORS_LEADS[i], QRS_AREA]
            t += axis[i] * leads[KORS_LEADS[i], T_AREA]
        product += qrs * t
        qrs_square += qrs * qrs
        t_square += t * t
    lengths = math.sqrt(qrs_square) * math.sqrt(t_square)
    if not lengths > MIN_AREA_MV_MS**2:  # True for NaN
        return math.nan
    return math.degrees(math.acos(max(-1.0, min(1.0, product / lengths))))


@kernel
def _r(lead: FloatArray) -> float:
    """Return the height of the R wave, 0 if there is none; NaN without a complex."""
    if math.isnan(lead[QRS_RANGE]):
        return math.nan
    return 0.0 if math.isnan(lead[R_AMPLITUDE]) else float(lead[R_AMPLITUDE])


@kernel
def _s_depth(lead: FloatArray) -> float:
    """Return the depth of the S wave, or of a QS complex; 0 if there is neither."""
    if math.isnan(lead[QRS_RANGE]):
        return math.nan
    depth = 0.0 if math.isnan(lead[S_AMPLITUDE]) else -lead[S_AMPLITUDE]
    if math.isnan(lead[R_AMPLITUDE]) and not math.isnan(lead[Q_AMPLITUDE]):
        depth = max(depth, -lead[Q_AMPLITUDE])
    return float(depth)


@kernel
def _are_low(leads: FloatArray, limit: float) -> float:
    """Return 1 if the complex is lower in every lead, 0 if not in one, else NaN."""
    low = 1.0
    for k in range(len(leads)):
        if leads[k, QRS_RANGE] >= limit:
            return 0.0
        if math.isnan(leads[k, QRS_RANGE]):
            low = math.nan
    return low


@kernel
def _transition(chest: FloatArray) -> float:
    """Return where from V1, 1, to V6, 6, the R wave outgrows the S wave; 7 if never."""
    before = math.nan
    for k in range(len(chest)):
        excess = _r(chest[k]) - _s_depth(chest[k])
        if math.isnan(excess):
            return math.nan
        if excess >= 0:
            return 1.0 if k == 0 else k + before / (before - excess)
        before = excess
    return 7.0


@kernel
def _write_q_waves(leads: FloatArray, row: FloatArray) -> None:
    """Write the flags of pathological Q waves in two leads of a territory."""
    inferior = (
        leads[LEAD_II, PATHOLOGICAL_Q]
        + leads[LEAD_III, PATHOLOGICAL_Q]
        + leads[AVF, PATHOLOGICAL_Q]
    )
    lateral = leads[LEAD_I, PATHOLOGICAL_Q] + leads[AVL, PATHOLOGICAL_Q]
    row[Q_WAVES_INFERIOR] = _flag(inferior, 2)
    row[Q_WAVES_LATERAL] = _flag(lateral, 2)
    right = _any_q(leads[V2])  # V2 and V3 have a rule of their own
    anterior = 0.0
    for k in range(V3, V6 + 1):
        left = _any_q(leads[k]) if k == V3 else leads[k, PATHOLOGICAL_Q]
        anterior += right * left
        right = left
    row[Q_WAVES_ANTERIOR] = _flag(anterior, 1)


@kernel
def _any_q(lead: FloatArray) -> float:
    """Return the flag of a Q wave of more than 20 ms, or a QS complex."""
    if math.isnan(lead[PATHOLOGICAL_Q]):
        return math.nan
    has_q = not math.isnan(lead[Q_AMPLITUDE])
    wide = lead[Q_DURATION] > MIN_Q_MS_V2_V3 or math.isnan(lead[R_AMPLITUDE])
    return 1.0 if has_q and wide else 0.0


@kernel
def _larger(first: float, second: float) -> float:
    """Return the larger value; NaN if one is undefined, unlike the built-in."""
    return first + second if math.isnan(first + second) else max(first, second)


@kernel
def _flag(value: float, least: float) -> float:
    """Return 1 if a value is at least another, else 0; NaN if it is undefined."""
    if math.isnan(value):
        return math.nan
    return 1.0 if value >= least else 0.0


@kernel
def _spread(values: FloatArray) -> float:
    """Return the largest minus the smallest value; NaN for less than two."""
    lowest = math.inf
    highest = -math.inf
    n = 0
    for value in values:
        if not math.isnan(value):
            lowest = min(lowest, value)
            highest = max(highest, value)
            n += 1
    return highest - lowest if n >= 2 else math.nan
