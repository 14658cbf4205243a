"""Definitions of the features that come from several leads."""

from typing import Final

from ecgstore.arrays import FloatArray
from ecgstore.features.feature import Definition, FeatureGroup, Inputs
from ecgstore.features.leads.compute import vector_features

_NOVOSEL: Final = "Novosel et al. 1999, Croat. Med. J. 40:77"
_CHOU: Final = (
    "Surawicz and Knilans 2008, Chou's Electrocardiography in Clinical Practice"
)
_UNIVERSAL: Final = "Thygesen et al. 2018, Circulation 138:e618"

_NO_DIRECTION: Final = "the area is undefined in lead I or aVF, or 0 in both"

# The order is that of the columns in `ecgstore.features.leads._kernels`.
_DEFINITIONS: Final = (
    *(
        Definition(
            f"{wave}_axis_deg",
            "deg",
            f"atan2(2 a(aVF), sqrt(3) a(I)), a = {wave}_area",
            _NOVOSEL,
            (-180, 180),
            _NO_DIRECTION,
        )
        for wave in ("p", "qrs", "t")
    ),
    Definition(
        "qrs_t_angle_frontal_deg",
        "deg",
        "|qrs_axis - t_axis|, or 360 - that if it is above 180",
        "Zhang et al. 2007, Am. J. Cardiol. 100:844",
        (0, 180),
        "one of the axes is",
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
    ),
    Definition(
        "sokolow_lyon_mv",
        "mV",
        "S(V1) + the larger of R(V5) and R(V6)",
        "Sokolow and Lyon 1949, Am. Heart J. 37:161",
        (0, 12),
        "one of the leads has no QRS complex",
    ),
    Definition(
        "cornell_mv",
        "mV",
        "R(aVL) + S(V3)",
        "Casale et al. 1985, J. Am. Coll. Cardiol. 6:572",
        (0, 12),
        "one of the leads has no QRS complex",
    ),
    Definition(
        "cornell_product_mv_ms",
        "mV ms",
        "cornell * qrs_duration",
        "Molloy et al. 1992, J. Am. Coll. Cardiol. 20:1180",
        (0, 1500),
        "one of the factors is",
    ),
    *(
        Definition(
            f"low_voltage_{name}",
            "1",
            f"1 if qrs_range is below {limit} mV in each of {leads}, else 0",
            _CHOU,
            (0, 1),
            "it is undefined in a lead and that high in none",
        )
        for name, limit, leads in (
            ("limb", "0.5", "I, II, III, aVR, aVL and aVF"),
            ("precordial", "1", "V1 to V6"),
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
    ),
    Definition(
        "poor_r_progression",
        "1",
        "1 if R(V3) is 0.3 mV or less, else 0",
        "Zema and Kligfield 1982, Arch. Intern. Med. 142:1145",
        (0, 1),
        "V3 has no QRS complex",
    ),
    Definition(
        "q_waves_inferior",
        "1",
        "1 if two of II, III and aVF have a pathological Q wave, else 0",
        _UNIVERSAL,
        (0, 1),
        "pathological_q is in one of them",
    ),
    Definition(
        "q_waves_lateral",
        "1",
        "1 if I and aVL have a pathological Q wave, else 0",
        _UNIVERSAL,
        (0, 1),
        "pathological_q is in one of them",
    ),
    Definition(
        "q_waves_anterior",
        "1",
        "1 if two neighbours from V2 to V6 have a pathological Q wave, else 0; in V2 "
        "and V3 it is one of more than 20 ms, or a QS complex",
        _UNIVERSAL,
        (0, 1),
        "pathological_q is in one of them",
    ),
    Definition(
        "p_dispersion_ms",
        "ms",
        "largest - smallest p_duration of the leads",
        "Dilaveris et al. 1998, Am. Heart J. 135:733",
        (0, 120),
        "it is defined in less than 2 leads",
    ),
    Definition(
        "qrs_dispersion_ms",
        "ms",
        "largest - smallest qrs_duration of the leads",
        "ecgstore",
        (0, 150),
        "it is defined in less than 2 leads",
    ),
    Definition(
        "qt_dispersion_ms",
        "ms",
        "largest - smallest qt_interval of the leads",
        "Day et al. 1990, Br. Heart J. 63:342",
        (0, 300),
        "it is defined in less than 2 leads",
    ),
)

_NOTES: Final = """\
Made from the wave features of the leads, which are medians over the beats, so an axis
is that of the median beat and no circular mean is taken. Angles are in degrees,
clockwise from lead I: 0 points to the left, 90 down; -180 and 180 are the same. An axis
is circular: compare two of them as `qrs_t_angle_frontal_deg` does, and give their sine
and cosine to a model that is linear.

R(lead) is the height of the R wave, S(lead) the depth of the S wave or of a QS complex;
0 where a complex has none.
"""


def _values(inputs: Inputs) -> FloatArray:
    """Return the features that come from several leads."""
    return vector_features(inputs.waves)


VECTORS: Final = FeatureGroup(
    title="Leads together",
    notes=_NOTES,
    definitions=_DEFINITIONS,
    per_lead=False,
    function="ecgstore.features.leads.compute.vector_features",
    call=_values,
)
