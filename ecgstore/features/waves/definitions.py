"""Definitions of the wave features."""

import math
from typing import Final

from ecgstore.arrays import FloatArray
from ecgstore.features.feature import Definition, FeatureGroup, Inputs, Values
from ecgstore.features.waves.compute import EARLY, LATE, wave_features

_CSE: Final = "CSE 1985, Eur. Heart J. 6:815"
_LEAST_WAVE: Final = "ecgstore; least wave of IEC 60601-2-51:2003, annex GG"
_AHA_4: Final = "Rautaharju et al. 2009, Circulation 119:e241"
_EXERCISE: Final = "Fletcher et al. 2013, Circulation 128:873"

_ABSENT: Final = "no beat has the marks"
_NO_P: Final = "p_presence is below 0.5 or undefined, or no beat has the marks"
_NO_RR: Final = "no beat has the marks, or there is no RR interval"
_LATE_ST: Final = "no beat has the marks, or the record ends before"


def _rr_s(values: Values) -> float:
    """Return the median RR interval in s."""
    return values.record("median_rr_ms") / 1000


# Those without a function are in the order of `ecgstore.features.waves._kernels`.
_DEFINITIONS: Final = (
    Definition("p_duration_ms", "ms", "P off - P on", _CSE, (40, 200), _NO_P),
    Definition("pr_interval_ms", "ms", "QRS on - P on", _CSE, (80, 400), _NO_P),
    Definition("qrs_duration_ms", "ms", "QRS off - QRS on", _CSE, (50, 240), _ABSENT),
    Definition("qt_interval_ms", "ms", "T off - QRS on", _CSE, (200, 700), _ABSENT),
    Definition("jt_interval_ms", "ms", "T off - QRS off", _AHA_4, (120, 600), _ABSENT),
    Definition(
        "tpeak_tend_ms",
        "ms",
        "T off - T peak",
        "Yan and Antzelevitch 1998, Circulation 98:1928",
        (30, 250),
        _ABSENT,
    ),
    Definition(
        "r_peak_time_ms",
        "ms",
        "R peak - QRS on",
        "Surawicz et al. 2009, Circulation 119:e235",
        (5, 130),
        _ABSENT,
    ),
    Definition(
        "q_duration_ms",
        "ms",
        "time from QRS on until the voltage is back at that of QRS on behind the Q "
        "wave, or until QRS off",
        "ecgstore",
        (5, 200),
        "no beat has a Q wave",
    ),
    Definition(
        "p_amplitude_mv",
        "mV",
        "voltage at the P peak - isoelectric level",
        "ecgstore",
        (-0.5, 0.5),
        _NO_P,
    ),
    Definition(
        "q_amplitude_mv",
        "mV",
        "lowest voltage of the Q wave - isoelectric level, if that is below 0",
        _LEAST_WAVE,
        (-5, 0),
        "no beat has a Q wave below the isoelectric level",
    ),
    Definition(
        "r_amplitude_mv",
        "mV",
        "voltage at the R peak - isoelectric level, if that is 0.03 mV or more",
        _LEAST_WAVE,
        (0.03, 5),
        "no beat has an R wave",
    ),
    Definition(
        "s_amplitude_mv",
        "mV",
        "lowest voltage of the S wave - isoelectric level, if that is below 0",
        _LEAST_WAVE,
        (-5, 0),
        "no beat has an S wave below the isoelectric level",
    ),
    Definition(
        "t_amplitude_mv",
        "mV",
        "voltage at the T peak - isoelectric level",
        "ecgstore",
        (-2, 2),
        _ABSENT,
    ),
    Definition(
        "qrs_range_mv",
        "mV",
        "highest - lowest voltage from QRS on to QRS off",
        "Surawicz and Knilans 2008, Chou's Electrocardiography in Clinical Practice",
        (0.1, 8),
        _ABSENT,
    ),
    Definition(
        "j_level_mv",
        "mV",
        "voltage at QRS off, the J point - isoelectric level",
        "Thygesen et al. 2018, Circulation 138:e618",
        (-1.5, 1.5),
        _ABSENT,
    ),
    *(
        Definition(
            f"st{delay}_level_mv",
            "mV",
            f"voltage {delay} ms behind QRS off - isoelectric level",
            _EXERCISE,
            (-1.5, 1.5),
            _LATE_ST,
        )
        for delay in (40, 60, 80)
    ),
    Definition(
        "st_slope_mv_per_s",
        "mV/s",
        "(st80_level - j_level) / 80 ms",
        _EXERCISE,
        (-15, 15),
        _LATE_ST,
    ),
    Definition(
        "p_area_mv_ms",
        "mV ms",
        "integral of voltage - isoelectric level from P on to P off",
        "ecgstore",
        (-20, 20),
        _NO_P,
    ),
    Definition(
        "qrs_area_mv_ms",
        "mV ms",
        "integral of voltage - isoelectric level from QRS on to QRS off",
        "Wilson et al. 1934, Am. Heart J. 10:46",
        (-300, 300),
        _ABSENT,
    ),
    Definition(
        "t_area_mv_ms",
        "mV ms",
        "integral of voltage - isoelectric level from T on to T off",
        "Wilson et al. 1934, Am. Heart J. 10:46",
        (-300, 300),
        _ABSENT,
    ),
    Definition(
        "p_presence",
        "1",
        "fraction of the beats with an R peak in the lead that have a P wave",
        "ecgstore",
        (0, 1),
        "no beat has an R peak",
    ),
    Definition(
        "qtc_bazett_ms",
        "ms",
        "qt_interval / sqrt(median_rr / 1000)",
        "Bazett 1920, Heart 7:353",
        (250, 700),
        _NO_RR,
        lambda values: values["qt_interval_ms"] / math.sqrt(_rr_s(values)),
    ),
    Definition(
        "qtc_fridericia_ms",
        "ms",
        "qt_interval / (median_rr / 1000)^(1/3)",
        "Fridericia 1920, Acta Med. Scand. 53:469",
        (250, 700),
        _NO_RR,
        lambda values: values["qt_interval_ms"] / _rr_s(values) ** (1 / 3),
    ),
    Definition(
        "qtc_framingham_ms",
        "ms",
        "qt_interval + 154 (1 - median_rr / 1000)",
        "Sagie et al. 1992, Am. J. Cardiol. 70:797",
        (250, 700),
        _NO_RR,
        lambda values: values["qt_interval_ms"] + 154 * (1 - _rr_s(values)),
    ),
    Definition(
        "qtc_hodges_ms",
        "ms",
        "qt_interval + 1.75 (60000 / median_rr - 60)",
        "Hodges et al. 1983, J. Am. Coll. Cardiol. 1:694",
        (250, 700),
        _NO_RR,
        lambda values: values["qt_interval_ms"] + 1.75 * (60 / _rr_s(values) - 60),
    ),
    Definition(
        "r_to_rs_ratio",
        "1",
        "r_amplitude / (r_amplitude + |s_amplitude|), the R/S ratio on a scale from 0 "
        "to 1: 0.5 where both are equal; an absent wave counts as 0",
        "ecgstore",
        (0, 1),
        "there is neither an R nor an S wave",
    ),
    Definition(
        "t_to_r_ratio",
        "1",
        "t_amplitude / r_amplitude",
        _AHA_4,
        (-20, 20),
        "there is no R wave, or no beat has the marks of the T wave",
    ),
    Definition(
        "t_sign",
        "1",
        "1 if t_amplitude is 0.1 mV or more, -1 if it is -0.1 mV or less, else 0",
        _AHA_4,
        (-1, 1),
        "t_amplitude is undefined",
    ),
    Definition(
        "pathological_q",
        "1",
        "1 if half of the beats have a Q wave and q_amplitude is -0.1 mV or less and "
        "q_duration is 30 ms or more or there is no R wave; else 0",
        "Thygesen et al. 2018, Circulation 138:e618",
        (0, 1),
        "no beat has all marks of the QRS complex",
    ),
)

_RECORD_FORMULAS: Final = {
    name: f"median over the beats: over the leads, {last:g} quantile of {end} - "
    f"{EARLY:g} quantile of {begin}"
    for name, begin, end, last in (
        ("p_duration_ms", "P on", "P off", LATE),
        ("pr_interval_ms", "P on", "QRS on", EARLY),
        ("qrs_duration_ms", "QRS on", "QRS off", LATE),
        ("qt_interval_ms", "QRS on", "T off", LATE),
    )
} | {
    "jt_interval_ms": "qt_interval - qrs_duration",
    "t_sign": "mean over the leads",
    "pathological_q": "fraction of the leads with a pathological Q wave",
}

_NOTES: Final = f"""\
A lead's value is the median over the beats that have the necessary marks; ratios, QTc
and flags are computed from these medians. The record's value, whose name has no lead,
is the median over the leads. Intervals of the record are an exception. By convention,
an interval lasts from the earliest onset to the latest offset of all leads, so that a
single misplaced mark would change it. Here it lasts from the {EARLY:g} quantile of the
onsets to the {LATE:g} quantile of the offsets over the leads of each beat (of 12 leads,
just behind the second and just before the second last). On the cardiologists' own marks
in LUDB (100 records), intervals between the extremes would be longer by 9 ms (sd 4) for
the QRS complex, 16 ms (sd 15) for QT, 11 ms (sd 7) for the P wave and 2 ms (sd 6) for
PR.

The isoelectric level of a beat is the mean of the 20 ms before QRS onset, without the
part that belongs to the P wave; if nothing remains, it is the voltage at QRS onset.

**Q and S waves** are detected relative to the voltage at QRS onset. A complex has up to
two dips: the lowest sample from QRS onset to R peak, and the lowest from there to QRS
offset, each only if it is 0.03 mV (IEC 60601-2-51:2003, annex GG) or more below the
voltage at QRS onset. The first dips of all beats of a lead are the same wave. They are
S waves if an r wave comes before them, that is, if the signal before them rises 0.03 mV
or more above the voltage at QRS onset, in the median over the beats with the dip.
Otherwise they are Q waves. The same rule holds for the second dips, which are also S
waves if the first ones are. If both dips of a beat are the same wave, the lower one
counts. A QS complex, a single dip without an R wave, therefore has a Q wave only.

**Amplitudes** are measured from the isoelectric level, which need not be the voltage at
QRS onset. So amplitudes of Q and S may be smaller than 0.03 mV, and a dip that stays
above the isoelectric level has a duration but no amplitude. An R wave is 0.03 mV or
more above it.

Features of the P wave are NaN where the `p_presence` of the lead, or of the record, is
below 0.5.

**Limits.**

* No feature is better than the marks; `bench/beats/delineation.py` measures their
  accuracy.
* QTc of a single lead is noisy: over the leads of a record its standard deviation is
  19 ms (median over LUDB). Prefer the value of the record.
* `mean_hr` is mean(60000 / rr_i), not 60000 / `mean_rr_ms`, and never below it.
* The filter of 0.5 to 40 Hz lowers R waves, by about 5 % (median), and bends the ST
  segment behind a tall one.
"""


def _measure(inputs: Inputs) -> FloatArray:
    """Measure the waves of the record and of each lead."""
    return wave_features(inputs.signal, inputs.beats, inputs.fs)


WAVES: Final = FeatureGroup(
    position=2,
    title="Waves",
    notes=_NOTES,
    definitions=_DEFINITIONS,
    per_lead=True,
    measure=_measure,
    function="ecgstore.features.waves.compute.wave_features",
    record_formulas=_RECORD_FORMULAS,
)

GROUPS: Final = (WAVES,)
