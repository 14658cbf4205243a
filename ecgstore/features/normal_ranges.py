"""Normal ranges of features whose limits are well established, in adults at rest.

They are for readers; nothing is computed from them. Most features have none: there is
no agreed limit, or it depends on the heart rate or the age. Durations of publications
are from the earliest onset to the latest offset of all leads, and so some ms longer
than those of `ecgstore.features`, which are quantiles over leads.
"""

from typing import Final, NamedTuple

from ecgstore.record import LEADS

_CHOU: Final = (
    "Surawicz and Knilans 2008, Chou's Electrocardiography in Clinical Practice"
)
_AHA_3: Final = "AHA/ACCF/HRS part III: Surawicz et al. 2009, Circulation 119:e235"
_AHA_4: Final = "AHA/ACCF/HRS part IV: Rautaharju et al. 2009, Circulation 119:e241"
_AHA_5: Final = "AHA/ACCF/HRS part V: Hancock et al. 2009, Circulation 119:e251"
_UNIVERSAL: Final = (
    "Fourth universal definition: Thygesen et al. 2018, Circulation 138:e618"
)


class NormalRange(NamedTuple):
    """The range of a feature in healthy adults.

    Attributes
    ----------
    low, high : float or None
        Limits in the unit of the feature; None where there is none.
    source : str
        Publication that gives them.
    note : str
        For whom they differ, or how else they were measured.
    """

    low: float | None
    high: float | None
    source: str
    note: str = ""

    def __str__(self) -> str:
        """Return such as ``"120-200"``, ``"-30 to 90"``, ``"to 110"`` or ``"0"``."""
        if self.low == self.high:
            return f"{self.low:g}"
        if self.low is None:
            return f"to {self.high:g}"
        if self.high is None:
            return f"from {self.low:g}"
        between = " to " if self.low < 0 else "-"
        return f"{self.low:g}{between}{self.high:g}"

    def side(self, value: float) -> int:
        """Return -1 for a value below the range, 1 for one above it, else 0.

        Examples
        --------
        >>> [NORMAL_RANGES["pr_interval_ms"].side(x) for x in (90, 160, 201)]
        [-1, 0, 1]
        """
        if self.low is not None and value < self.low:
            return -1
        return int(self.high is not None and value > self.high)


_QTC: Final = NormalRange(
    360,
    460,
    f"{_AHA_4}; low: Mason et al. 2007, J. Electrocardiol. 40:228",
    "up to 450 in men",
)
_RATE: Final = "a convention: many healthy adults have 50 to 60 / min at rest"
_P_DURATION: Final = NormalRange(None, 120, _AHA_5)
_QRS_DURATION: Final = NormalRange(None, 110, _AHA_3)
_OF_A_LEAD: Final = "of the record, hence of any lead"
_ABSENT: Final = NormalRange(0, 0, _UNIVERSAL)

NORMAL_RANGES: Final[dict[str, NormalRange]] = {
    "mean_hr": NormalRange(60, 100, _CHOU, _RATE),
    "mean_rr_ms": NormalRange(600, 1000, _CHOU, _RATE),
    "median_rr_ms": NormalRange(600, 1000, _CHOU, _RATE),
    "p_duration_ms": _P_DURATION,
    "II_p_amplitude_mv": NormalRange(0, 0.25, _AHA_5, "in sinus rhythm"),
    "pr_interval_ms": NormalRange(120, 200, _CHOU),
    "qrs_duration_ms": _QRS_DURATION,
    "qtc_bazett_ms": _QTC,
    "qtc_fridericia_ms": _QTC,
    "qtc_framingham_ms": _QTC,
    "qtc_hodges_ms": _QTC,
    "qrs_axis_deg": NormalRange(-30, 90, _AHA_3),
    "sokolow_lyon_mv": NormalRange(
        None,
        3.5,
        "Sokolow and Lyon 1949, Am. Heart J. 37:161",
        "higher in young adults, above all in men",
    ),
    "cornell_mv": NormalRange(
        None, 2.8, "Casale et al. 1987, Circulation 75:565", "up to 2.0 in women"
    ),
    "cornell_product_mv_ms": NormalRange(
        None,
        244,
        "Molloy et al. 1992, J. Am. Coll. Cardiol. 20:1180",
        "in men; lower in women, whose voltage is raised before",
    ),
    **{
        f"{lead}_p_duration_ms": _P_DURATION._replace(note=_OF_A_LEAD) for lead in LEADS
    },
    **{
        f"{lead}_qrs_duration_ms": _QRS_DURATION._replace(note=_OF_A_LEAD)
        for lead in LEADS
    },
    **{
        f"{lead}_q_duration_ms": NormalRange(None, limit, _UNIVERSAL, note)
        for limit, leads, note in (
            (20, ("V2", "V3"), ""),
            (
                30,
                ("I", "II", "aVL", "aVF", "V4", "V5", "V6"),
                "from 30 ms on, pathological if also 0.1 mV deep",
            ),
        )
        for lead in leads
    },
    "q_waves_inferior": _ABSENT,
    "q_waves_lateral": _ABSENT,
    "q_waves_anterior": _ABSENT,
    "low_voltage_limb": NormalRange(0, 0, _CHOU),
    "low_voltage_precordial": NormalRange(0, 0, _CHOU),
}
"""Ranges by the names of features."""
