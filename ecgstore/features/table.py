"""The table of handcrafted features: what there is, what it means, what computes it.

This is the only list of features. A new group of them is one more tuple here, one more
part of `FEATURES` and of `compute`, and the function that it names.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.features.beats import Beats, BeatStatus
from ecgstore.record import LEADS

_RR_FUNCTION: Final = "ecgstore.features.rr.rr_features"
_WAVE_FUNCTION: Final = "ecgstore.features.morphology.wave_features"

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


def _rr(name: str, unit: str, formula: str, source: str) -> Feature:
    """Return a feature of the RR intervals."""
    return Feature(name, unit, formula, source, _RR_FUNCTION)


# The order is that of the columns in `ecgstore.features._rr_kernels`.
RR_FEATURES: Final = (
    _rr("n_beats", "1", "number of beats of the record", "count"),
    _rr("n_rr", "1", "N, number of RR intervals", "count"),
    _rr("mean_rr_ms", "ms", "sum(rr_i) / N", _TASK_FORCE),
    _rr("sdnn_ms", "ms", "sqrt(sum((rr_i - mean_rr)^2) / (N - 1))", _TASK_FORCE),
    _rr("rmssd_ms", "ms", "sqrt(sum(d_i^2) / (N - 1))", _TASK_FORCE),
    _rr("sdsd_ms", "ms", "sqrt(sum((d_i - mean(d))^2) / (N - 2))", _TASK_FORCE),
    _rr("cvnn", "1", "sdnn / mean_rr", _SHAFFER),
    _rr("cvsd", "1", "rmssd / mean_rr", _SHAFFER),
    _rr("median_rr_ms", "ms", "median(rr_i)", _STATISTICS),
    _rr("mad_rr_ms", "ms", "1.4826 * median(|rr_i - median_rr|)", _NEUROKIT),
    _rr("mcvnn", "1", "mad_rr / median_rr", _NEUROKIT),
    _rr(
        "iqr_rr_ms",
        "ms",
        "75th - 25th percentile of rr_i, linear interpolation",
        _NEUROKIT,
    ),
    _rr(
        "sdrmssd",
        "1",
        "sdnn / rmssd",
        "Sollers et al. 2007, Biomed. Sci. Instrum. 43:158",
    ),
    _rr(
        "prc20_rr_ms",
        "ms",
        "20th percentile of rr_i, linear interpolation",
        "Hovsepian et al. 2015, UbiComp, 493",
    ),
    _rr(
        "prc80_rr_ms",
        "ms",
        "80th percentile of rr_i, linear interpolation",
        "Hovsepian et al. 2015, UbiComp, 493",
    ),
    _rr("min_rr_ms", "ms", "min(rr_i)", _STATISTICS),
    _rr("max_rr_ms", "ms", "max(rr_i)", _STATISTICS),
    _rr("pnn20", "1", "number of |d_i| > 20 ms, / N", _MIETUS),
    _rr(
        "pnn50",
        "1",
        "number of |d_i| > 50 ms, / N",
        "Bigger et al. 1988, Am. J. Cardiol. 61:208",
    ),
    _rr("pnn60", "1", "number of |d_i| > 60 ms, / N", _MIETUS),
    _rr(
        "hti",
        "1",
        "N / height of the histogram of rr_i in bins of 1/128 s; NaN below 20 min",
        _TASK_FORCE,
    ),
    _rr(
        "tinn_ms",
        "ms",
        "base of the triangle on the highest bin of that histogram with the least "
        "squared error; NaN below 20 min",
        _TASK_FORCE,
    ),
    _rr("mean_hr", "1/min", "mean(60000 / rr_i)", _STATISTICS),
    _rr("min_hr", "1/min", "60000 / max_rr", _STATISTICS),
    _rr("max_hr", "1/min", "60000 / min_rr", _STATISTICS),
    _rr("sd_hr", "1/min", "standard deviation of 60000 / rr_i, / (N - 1)", _STATISTICS),
    _rr(
        "sd1_ms",
        "ms",
        "standard deviation of (rr_(i+1) - rr_i) / sqrt(2), = sdsd / sqrt(2)",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
    ),
    _rr(
        "sd2_ms",
        "ms",
        "standard deviation of (rr_(i+1) + rr_i) / sqrt(2)",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
    ),
    _rr(
        "sd1_sd2_ratio",
        "1",
        "sd1 / sd2",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
    ),
    _rr(
        "turning_point_ratio",
        "1",
        "part of rr_2 .. rr_(N-1) above both or below both neighbours; 2/3 for a "
        "random series",
        "Dash et al. 2009, Ann. Biomed. Eng. 37:1701",
    ),
    _rr(
        "median_abs_diff_ratio",
        "1",
        "median(|d_i|) / median_rr: like cvsd, but a few ectopic beats leave it alone",
        "ecgstore",
    ),
    _rr(
        "n_ectopic",
        "1",
        "number of i with rr_i < 0.8 median_rr and rr_(i+1) > 1.15 median_rr: an "
        "early beat and a pause",
        "ecgstore",
    ),
)

# The order is that of the columns of `ecgstore.features.morphology.wave_features`.
_WAVES: Final = (
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
        "lowest voltage between QRS on and R peak - isoelectric level",
        "ecgstore",
    ),
    ("r_amplitude_mv", "mV", "voltage at the R peak - isoelectric level", "ecgstore"),
    (
        "s_amplitude_mv",
        "mV",
        "lowest voltage between R peak and QRS off - isoelectric level",
        "ecgstore",
    ),
    ("t_amplitude_mv", "mV", "voltage at the T peak - isoelectric level", "ecgstore"),
)

WAVE_FEATURES: Final = tuple(
    Feature(name, unit, f"median over the leads: {formula}", source, _WAVE_FUNCTION)
    for name, unit, formula, source in _WAVES
) + tuple(
    Feature(f"{lead}_{name}", unit, f"lead {lead}: {formula}", source, _WAVE_FUNCTION)
    for lead in LEADS
    for name, unit, formula, source in _WAVES
)

FEATURES: Final[tuple[Feature, ...]] = RR_FEATURES + WAVE_FEATURES
"""Every feature, in the order of the columns."""

FEATURE_NAMES: Final[tuple[str, ...]] = tuple(each.name for each in FEATURES)
"""Names of `FEATURES`."""


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
    # Imported here, because they load numba: the table itself must be quick to show.
    from ecgstore.features.morphology import wave_features
    from ecgstore.features.rr import rr_features

    rr = rr_features(beats.r_peaks, fs, convention)
    if beats.status == BeatStatus.NOT_COMPUTED:
        rr[:] = np.nan
    values = np.concatenate([rr, wave_features(signal, beats, fs)])
    return values.astype(np.float32)


_INTRODUCTION: Final = """\
# Handcrafted features

`/features` holds these {n} values per record as float32, in this order. They are
computed from the filtered signal without its padding.

**Undefined values are NaN, never an exception.** Without RR intervals only the counts
are defined; with one interval, so are mean, median, extremes, percentiles and heart
rates, and `mad_rr_ms` is 0; `sdsd_ms`, `sd1_ms`, `sd2_ms` and `turning_point_ratio`
need three; `sdrmssd` is NaN where `rmssd_ms` is 0. `hti` and `tinn_ms` need 20 minutes
of beats. A record whose beats were not computed has NaN throughout.

**RR intervals** are the times between successive beats of the record, in ms, all of
them: beats are not sorted into normal and ectopic ones. Below, rr_i (i = 1..N) are the
intervals and d_i = rr_(i+1) - rr_i (i = 1..N-1) their differences.

**Conventions.** The formulas are those of the convention `neurokit`, equal to
`neurokit2.hrv_time` within 1e-9 before rounding to float32 (pNNx are ratios here and
percentages there; NeuroKit2's TINN searches one flank only and differs). The convention
`mietus` divides pNNx by N - 1, the number of differences, as Mietus et al. 2002 do. The
convention `prototype` does so too, and divides the squares in every standard deviation
by their number instead of one less.

**Waves.** A lead's value is the median over its beats; the value without a lead's name
is the median over the leads. The isoelectric level of a beat is the mean of the 20 ms
before QRS onset. Q and S exist only where the signal dips between QRS onset and R peak,
or between R peak and QRS offset.
"""


def markdown() -> str:
    """Return the table as a Markdown page.

    Examples
    --------
    >>> markdown().splitlines()[0]
    '# Handcrafted features'
    """
    over_leads = WAVE_FEATURES[: len(_WAVES)]
    lines = [
        _INTRODUCTION.format(n=len(FEATURES)),
        *_section("RR intervals", _RR_FUNCTION, RR_FEATURES),
        *_section("Waves, over the leads", _WAVE_FUNCTION, over_leads),
        "## Waves, per lead",
        "",
        f"The same {len(_WAVES)} features of each lead, `LEAD_name` such as "
        f"`{LEADS[0]}_{_WAVES[0][0]}`, in the order of the leads: {', '.join(LEADS)}.",
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, function: str, features: Iterable[Feature]) -> list[str]:
    """Return the lines of one group of features."""
    rows = (
        f"| `{each.name}` | {each.unit} | {each.formula.replace('|', chr(92) + '|')} "
        f"| {each.source} |"
        for each in features
    )
    return [
        f"## {title}",
        "",
        f"Computed by `{function}`.",
        "",
        "| name | unit | formula | source |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
