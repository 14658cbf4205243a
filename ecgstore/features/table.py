"""The table of handcrafted features: what there is, what it means, what computes it.

This is the only list of features. A new group of them is one more entry of `GROUPS`:
the columns, `compute` and the page all loop over it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.features.beats import Beats, BeatStatus
from ecgstore.features.morphology import GLOBAL_QRS, MIN_P_PRESENCE, wave_features
from ecgstore.record import LEADS

_TASK_FORCE: Final = "Task Force 1996, Circulation 93:1043"
_SHAFFER: Final = "Shaffer and Ginsberg 2017, Front. Public Health 5:258"
_MIETUS: Final = "Mietus et al. 2002, Heart 88:378"
_NEUROKIT: Final = "NeuroKit2 (Makowski et al. 2021, Behav. Res. Methods 53:1689)"
_STATISTICS: Final = "descriptive statistics"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the features of a record.

    Attributes
    ----------
    name : str
        Name, lower case but for the names of leads, with the unit as suffix.
    unit : str
        ``"ms"``, ``"mV"``, ``"1/min"``, or ``"1"`` for counts and ratios.
    formula : str
        Definition in plain text; rr_i (i = 1..N) are the RR intervals in ms, and
        d_i = rr_(i+1) - rr_i (i = 1..N-1) their successive differences.
    source : str
        Where the definition comes from.
    function : str
        Dotted name of the function that computes it.
    """

    name: str
    unit: str
    formula: str
    source: str
    function: str


Definition = tuple[str, str, str, str]
"""Name, unit, formula and source of a feature."""


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """The features that one function computes, and their section of the page.

    Attributes
    ----------
    title : str
        Heading of the section.
    notes : str
        What the reader of the section must know, in Markdown.
    definitions : tuple of Definition
        What is computed, in the order of the function's values.
    per_lead : bool
        Whether the function gives these values for the record and for every lead.
    record_formulas : mapping of str to str
        Formulas of the record's values that are not the medians over the leads, by
        name; for groups that are per lead.
    function : str
        Dotted name of the function.
    call : callable
        Calls it with what it needs of signal, beats, sampling rate and convention (see
        `compute`). It returns values of shape (n_definitions,), or
        (1 + 12, n_definitions) of the record and its leads if they are per lead.
    """

    title: str
    notes: str
    definitions: tuple[Definition, ...]
    per_lead: bool
    function: str
    call: Callable[[FloatArray, Beats, float, str], FloatArray]
    record_formulas: Mapping[str, str] = field(default_factory=dict)

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return the features, in the order of `values`."""
        scopes = [("", "")]
        if self.per_lead:
            scopes = [("", "median over the leads: ")]
            scopes += [(f"{lead}_", f"lead {lead}: ") for lead in LEADS]
        formulas = {
            prefix + name: scope + formula
            for prefix, scope in scopes
            for name, _, formula, _ in self.definitions
        } | dict(self.record_formulas)
        return tuple(
            Feature(prefix + name, unit, formulas[prefix + name], source, self.function)
            for prefix, _ in scopes
            for name, unit, _, source in self.definitions
        )

    def values(
        self, signal: FloatArray, beats: Beats, fs: float, convention: str
    ) -> FloatArray:
        """Return the values of `features`, see `compute`."""
        return self.call(signal, beats, fs, convention).ravel()


# The order is that of the columns in `ecgstore.features._rr_kernels`.
_RR_DEFINITIONS: Final[tuple[Definition, ...]] = (
    ("n_beats", "1", "number of beats of the record", "count"),
    ("n_rr", "1", "N, number of RR intervals", "count"),
    ("mean_rr_ms", "ms", "sum(rr_i) / N", _TASK_FORCE),
    ("sdnn_ms", "ms", "sqrt(sum((rr_i - mean_rr)^2) / (N - 1))", _TASK_FORCE),
    ("rmssd_ms", "ms", "sqrt(sum(d_i^2) / (N - 1))", _TASK_FORCE),
    ("sdsd_ms", "ms", "sqrt(sum((d_i - mean(d))^2) / (N - 2))", _TASK_FORCE),
    ("cvnn", "1", "sdnn / mean_rr", _SHAFFER),
    ("cvsd", "1", "rmssd / mean_rr", _SHAFFER),
    ("median_rr_ms", "ms", "median(rr_i)", _STATISTICS),
    ("mad_rr_ms", "ms", "1.4826 * median(|rr_i - median_rr|)", _NEUROKIT),
    ("mcvnn", "1", "mad_rr / median_rr", _NEUROKIT),
    (
        "iqr_rr_ms",
        "ms",
        "75th - 25th percentile of rr_i, linear interpolation",
        _NEUROKIT,
    ),
    (
        "sdrmssd",
        "1",
        "sdnn / rmssd",
        "Sollers et al. 2007, Biomed. Sci. Instrum. 43:158",
    ),
    (
        "prc20_rr_ms",
        "ms",
        "20th percentile of rr_i, linear interpolation",
        "Hovsepian et al. 2015, UbiComp, 493",
    ),
    (
        "prc80_rr_ms",
        "ms",
        "80th percentile of rr_i, linear interpolation",
        "Hovsepian et al. 2015, UbiComp, 493",
    ),
    ("min_rr_ms", "ms", "min(rr_i)", _STATISTICS),
    ("max_rr_ms", "ms", "max(rr_i)", _STATISTICS),
    ("pnn20", "1", "number of |d_i| > 20 ms, / N", _MIETUS),
    (
        "pnn50",
        "1",
        "number of |d_i| > 50 ms, / N",
        "Bigger et al. 1988, Am. J. Cardiol. 61:208",
    ),
    ("pnn60", "1", "number of |d_i| > 60 ms, / N", _MIETUS),
    (
        "hti",
        "1",
        "N / height of the histogram of rr_i in bins of 1/128 s; NaN below 20 min",
        _TASK_FORCE,
    ),
    (
        "tinn_ms",
        "ms",
        "base of the triangle on the highest bin of that histogram with the least "
        "squared error; NaN below 20 min",
        _TASK_FORCE,
    ),
    ("mean_hr", "1/min", "mean(60000 / rr_i)", _STATISTICS),
    ("min_hr", "1/min", "60000 / max_rr", _STATISTICS),
    ("max_hr", "1/min", "60000 / min_rr", _STATISTICS),
    ("sd_hr", "1/min", "standard deviation of 60000 / rr_i, / (N - 1)", _STATISTICS),
    (
        "sd1_ms",
        "ms",
        "standard deviation of (rr_(i+1) - rr_i) / sqrt(2), = sdsd / sqrt(2)",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
    ),
    (
        "sd2_ms",
        "ms",
        "standard deviation of (rr_(i+1) + rr_i) / sqrt(2)",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
    ),
    (
        "sd1_sd2_ratio",
        "1",
        "sd1 / sd2",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
    ),
    (
        "turning_point_ratio",
        "1",
        "part of rr_2 .. rr_(N-1) above both or below both neighbours; 2/3 for a "
        "random series",
        "Dash et al. 2009, Ann. Biomed. Eng. 37:1701",
    ),
    (
        "median_abs_diff_ratio",
        "1",
        "median(|d_i|) / median_rr: like cvsd, but a few ectopic beats leave it alone",
        "ecgstore",
    ),
    (
        "n_ectopic",
        "1",
        "number of i with rr_i < 0.8 median_rr and rr_(i+1) > 1.15 median_rr: an "
        "early beat and a pause",
        "ecgstore",
    ),
)

_RR_NOTES: Final = """\
RR intervals are the times between successive beats of the record, in ms, all of them:
beats are not sorted into normal and ectopic ones. Below, rr_i (i = 1..N) are the
intervals and d_i = rr_(i+1) - rr_i (i = 1..N-1) their differences.

Without RR intervals only the counts are defined; with one interval, so are mean,
median, extremes, percentiles and heart rates, and `mad_rr_ms` is 0; `sdsd_ms`,
`sd1_ms`, `sd2_ms` and `turning_point_ratio` need three; `sdrmssd` is NaN where
`rmssd_ms` is 0. `hti` and `tinn_ms` need 20 minutes of beats.

**Conventions.** The formulas are those of the convention `neurokit`, equal to
`neurokit2.hrv_time` within 1e-9 before rounding to float32 (pNNx are ratios here and
percentages there; NeuroKit2's TINN searches one flank only and differs). The convention
`mietus` divides pNNx by N - 1, the number of differences, as Mietus et al. 2002 do. The
convention `prototype` does so too, and divides the squares in every standard deviation
by their number instead of one less.
"""

# The order is that of the columns of `ecgstore.features.morphology.wave_features`.
_WAVE_DEFINITIONS: Final[tuple[Definition, ...]] = (
    ("p_presence", "1", "part of the beats with a P wave", "ecgstore"),
    ("p_duration_ms", "ms", "P off - P on", "CSE 1985, Eur. Heart J. 6:815"),
    ("pr_interval_ms", "ms", "QRS on - P on", "CSE 1985, Eur. Heart J. 6:815"),
    ("qrs_duration_ms", "ms", "QRS off - QRS on", "CSE 1985, Eur. Heart J. 6:815"),
    ("qt_interval_ms", "ms", "T off - QRS on", "CSE 1985, Eur. Heart J. 6:815"),
    (
        "qtc_bazett_ms",
        "ms",
        "qt_interval / sqrt(median_rr / 1000)",
        "Bazett 1920, Heart 7:353",
    ),
    (
        "qtc_fridericia_ms",
        "ms",
        "qt_interval / (median_rr / 1000)^(1/3)",
        "Fridericia 1920, Acta Med. Scand. 53:469",
    ),
    ("p_amplitude_mv", "mV", "voltage at the P peak - isoelectric level", "ecgstore"),
    (
        "q_amplitude_mv",
        "mV",
        "lowest voltage of the QRS complex before any r wave - isoelectric level",
        "ecgstore",
    ),
    (
        "r_amplitude_mv",
        "mV",
        "voltage at the R peak - isoelectric level, if that is 0.03 mV or more",
        "ecgstore",
    ),
    (
        "s_amplitude_mv",
        "mV",
        "lowest voltage of the QRS complex behind an r wave - isoelectric level",
        "ecgstore",
    ),
    ("t_amplitude_mv", "mV", "voltage at the T peak - isoelectric level", "ecgstore"),
)

_EARLY_QRS, _LATE_QRS = (f"{100 * part:.0f}th" for part in GLOBAL_QRS)

_RECORD_FORMULAS: Final = {
    "qrs_duration_ms": f"median over the beats: {_LATE_QRS} percentile over the leads "
    f"of QRS off - {_EARLY_QRS} percentile of QRS on"
}

_WAVE_NOTES: Final = f"""\
A lead's value is the median over its beats; the value without a lead's name is the
median over the leads, except for the QRS duration: a bundle branch block widens the
complex in a few leads only, so it runs from an early onset to a late offset.

The isoelectric level of a beat is the mean of the 20 ms before QRS onset, without what
belongs to the P wave; the voltage at QRS onset where that leaves nothing.

Q, R and S waves deviate by 0.03 mV or more (IEC 60601-2-51:2003, annex GG). A dip is a
Q wave if no r wave precedes it, else an S wave; a complex with a single dip and no R
wave has a Q amplitude only.

Durations and amplitude of the P wave are NaN where `p_presence`, that of the lead or of
the record, is below {MIN_P_PRESENCE}.

**Limits.** The numbers are those of the 100 odd records of LUDB and its cardiologists.

* Wide QRS complexes come out too short: `qrs_duration_ms` by 28 ms on average (sd 13)
  where theirs, from the earliest onset to the latest offset, is 120 ms or more; by
  10 ms (sd 8) where it is 100 to 119 ms.
* P waves are found where there are none: in the 12 records without any, such as atrial
  fibrillation, `p_presence` is 0.10 to 0.95.
* QTc of a single lead is noisy: that of a record's leads has a standard deviation of
  19 ms (median). The value without a lead's name is to be preferred.
* `mean_hr` is mean(60000 / rr_i), not 60000 / `mean_rr_ms`, and never below it.
* The filter of 0.5 to 40 Hz lowers R waves, by about 5 % (median).
"""


def _rr_features(_: FloatArray, beats: Beats, fs: float, convention: str) -> FloatArray:
    """Return the features of the RR intervals."""
    # Imported here, because it loads numba: the table must be quick to show.
    from ecgstore.features.rr import rr_features

    return rr_features(beats.r_peaks, fs, convention)


def _wave_features(signal: FloatArray, beats: Beats, fs: float, _: str) -> FloatArray:
    """Return the features of the waves of the record and of each lead."""
    return wave_features(signal, beats, fs)


RR: Final = FeatureGroup(
    title="RR intervals",
    notes=_RR_NOTES,
    definitions=_RR_DEFINITIONS,
    per_lead=False,
    function="ecgstore.features.rr.rr_features",
    call=_rr_features,
)

WAVES: Final = FeatureGroup(
    title="Waves",
    notes=_WAVE_NOTES,
    definitions=_WAVE_DEFINITIONS,
    per_lead=True,
    function="ecgstore.features.morphology.wave_features",
    call=_wave_features,
    record_formulas=_RECORD_FORMULAS,
)

GROUPS: Final = (RR, WAVES)
"""Every group of features, in the order of their columns."""

RR_FEATURES: Final = RR.features
"""The features of the RR intervals."""

FEATURES: Final = tuple(each for group in GROUPS for each in group.features)
"""Every feature, in the order of the columns."""


def compute(
    signal: FloatArray, beats: Beats, fs: float, convention: str = "neurokit"
) -> Float32Array:
    """Compute all features of a record.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV, the signal in which `beats` were found.
    beats : Beats
        The record's beats and their marks.
    fs : float
        Sampling rate in Hz.
    convention : {"neurokit", "mietus", "prototype"}
        Divisors of the RR features, see `ecgstore.features.rr.CONVENTIONS`.

    Returns
    -------
    ndarray of shape (n_features,)
        The values of `FEATURES`, float32; NaN where undefined. A record without beats
        has counts of 0 and NaN for the rest, one whose beats were not computed has
        NaN throughout.

    Raises
    ------
    ValueError
        If the sampling rate or the convention is unknown.
    """
    values = np.concatenate(
        [group.values(signal, beats, fs, convention) for group in GROUPS]
    )
    if beats.status == BeatStatus.NOT_COMPUTED:
        values[:] = np.nan
    return values.astype(np.float32)


_INTRODUCTION: Final = """\
# Handcrafted features

`/features` holds these {n} values per record as float32, in this order. They are
computed from the filtered signal without its padding.

**Undefined values are NaN, never an exception.** A record without beats has counts of 0
and NaN for the rest; one whose beats were not computed has NaN throughout.
"""


def markdown() -> str:
    """Return the table as a Markdown page.

    Examples
    --------
    >>> markdown().splitlines()[0]
    '# Handcrafted features'
    """
    sections = (_section(group) for group in GROUPS)
    return "\n".join([_INTRODUCTION.format(n=len(FEATURES)), *sections])


def _section(group: FeatureGroup) -> str:
    """Return one group of features as a section of the page."""
    n_shown = len(group.definitions)
    rows = [
        f"| `{each.name}` | {each.unit} | {each.formula.replace('|', chr(92) + '|')} "
        f"| {each.source} |"
        for each in group.features[:n_shown]
    ]
    lines = [
        f"## {group.title}",
        "",
        group.notes,
        f"Computed by `{group.function}`.",
        "",
        "| name | unit | formula | source |",
        "|---|---|---|---|",
        *rows,
    ]
    if group.per_lead:
        lines += [
            "",
            f"They are followed by the same {n_shown} features of each lead, "
            f"`LEAD_name` such as `{group.features[n_shown].name}`, in the order of "
            f"the leads: {', '.join(LEADS)}.",
        ]
    return "\n".join(lines) + "\n"
