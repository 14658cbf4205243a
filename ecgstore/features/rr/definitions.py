"""Definitions of the RR features."""

from typing import Final

from ecgstore.arrays import FloatArray
from ecgstore.features.feature import Definition, FeatureGroup, Inputs, Needs

_TASK_FORCE: Final = "Task Force 1996, Circulation 93:1043"
_SHAFFER: Final = "Shaffer and Ginsberg 2017, Front. Public Health 5:258"
_MIETUS: Final = "Mietus et al. 2002, Heart 88:378"
_NEUROKIT: Final = "NeuroKit2 (Makowski et al. 2021, Behav. Res. Methods 53:1689)"
_STATISTICS: Final = "descriptive statistics"

_NO_INTERVAL: Final = "there is no RR interval"
_LESS_THAN_2: Final = "there are fewer than 2 RR intervals"
_LESS_THAN_3: Final = "there are fewer than 3 RR intervals"
_LESS_THAN_20_MIN: Final = "the RR intervals sum to less than 20 min"
_20_MIN: Final = Needs(duration_s=1200.0)

# The order is that of the columns in `ecgstore.features.rr._kernels`.
_DEFINITIONS: Final = (
    Definition(
        "n_beats",
        "1",
        "number of beats of the record",
        "count",
        (0, 500),
        "beats were not computed",
    ),
    Definition(
        "n_rr",
        "1",
        "N, number of RR intervals",
        "count",
        (0, 500),
        "beats were not computed",
    ),
    Definition(
        "mean_rr_ms", "ms", "sum(rr_i) / N", _TASK_FORCE, (240, 3000), _NO_INTERVAL
    ),
    Definition(
        "sdnn_ms",
        "ms",
        "sqrt(sum((rr_i - mean_rr)^2) / (N - 1))",
        _TASK_FORCE,
        (0, 500),
        _LESS_THAN_2,
    ),
    Definition(
        "rmssd_ms",
        "ms",
        "sqrt(sum(d_i^2) / (N - 1))",
        _TASK_FORCE,
        (0, 800),
        _LESS_THAN_2,
    ),
    Definition(
        "sdsd_ms",
        "ms",
        "sqrt(sum((d_i - mean(d))^2) / (N - 2))",
        _TASK_FORCE,
        (0, 900),
        _LESS_THAN_3,
    ),
    Definition("cvnn", "1", "sdnn / mean_rr", _SHAFFER, (0, 0.6), _LESS_THAN_2),
    Definition("cvsd", "1", "rmssd / mean_rr", _SHAFFER, (0, 1), _LESS_THAN_2),
    Definition(
        "median_rr_ms", "ms", "median(rr_i)", _STATISTICS, (240, 3000), _NO_INTERVAL
    ),
    Definition(
        "mad_rr_ms",
        "ms",
        "1.4826 * median(|rr_i - median_rr|)",
        _NEUROKIT,
        (0, 600),
        _NO_INTERVAL,
    ),
    Definition("mcvnn", "1", "mad_rr / median_rr", _NEUROKIT, (0, 0.6), _LESS_THAN_2),
    Definition(
        "iqr_rr_ms",
        "ms",
        "75th - 25th percentile of rr_i, linear interpolation",
        _NEUROKIT,
        (0, 1000),
        _LESS_THAN_2,
    ),
    Definition(
        "sdrmssd",
        "1",
        "sdnn / rmssd",
        "Sollers et al. 2007, Biomed. Sci. Instrum. 43:158",
        (0.2, 10),
        "there are fewer than 2 RR intervals, or rmssd is 0",
    ),
    Definition(
        "prc20_rr_ms",
        "ms",
        "20th percentile of rr_i, linear interpolation",
        "Hovsepian et al. 2015, UbiComp, 493",
        (240, 3000),
        _NO_INTERVAL,
    ),
    Definition(
        "prc80_rr_ms",
        "ms",
        "80th percentile of rr_i, linear interpolation",
        "Hovsepian et al. 2015, UbiComp, 493",
        (240, 3000),
        _NO_INTERVAL,
    ),
    Definition("min_rr_ms", "ms", "min(rr_i)", _STATISTICS, (240, 3000), _NO_INTERVAL),
    Definition("max_rr_ms", "ms", "max(rr_i)", _STATISTICS, (240, 5000), _NO_INTERVAL),
    Definition(
        "pnn20", "1", "number of |d_i| > 20 ms, / N", _MIETUS, (0, 1), _LESS_THAN_2
    ),
    Definition(
        "pnn50",
        "1",
        "number of |d_i| > 50 ms, / N",
        "Bigger et al. 1988, Am. J. Cardiol. 61:208",
        (0, 1),
        _LESS_THAN_2,
    ),
    Definition(
        "pnn60", "1", "number of |d_i| > 60 ms, / N", _MIETUS, (0, 1), _LESS_THAN_2
    ),
    Definition(
        "hti",
        "1",
        "N / height of the histogram of rr_i in bins of 1/128 s",
        _TASK_FORCE,
        (1, 100),
        _LESS_THAN_20_MIN,
        needs=_20_MIN,
    ),
    Definition(
        "tinn_ms",
        "ms",
        "base of the triangle on the highest bin of that histogram with the least "
        "squared error",
        _TASK_FORCE,
        (0, 2000),
        _LESS_THAN_20_MIN,
        needs=_20_MIN,
    ),
    Definition(
        "mean_hr", "1/min", "mean(60000 / rr_i)", _STATISTICS, (20, 250), _NO_INTERVAL
    ),
    Definition(
        "min_hr", "1/min", "60000 / max_rr", _STATISTICS, (12, 250), _NO_INTERVAL
    ),
    Definition(
        "max_hr", "1/min", "60000 / min_rr", _STATISTICS, (20, 250), _NO_INTERVAL
    ),
    Definition(
        "sd_hr",
        "1/min",
        "standard deviation of 60000 / rr_i, / (N - 1)",
        _STATISTICS,
        (0, 80),
        _LESS_THAN_2,
    ),
    Definition(
        "sd1_ms",
        "ms",
        "standard deviation of (rr_(i+1) - rr_i) / sqrt(2), = sdsd / sqrt(2)",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
        (0, 600),
        _LESS_THAN_3,
    ),
    Definition(
        "sd2_ms",
        "ms",
        "standard deviation of (rr_(i+1) + rr_i) / sqrt(2)",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
        (0, 600),
        _LESS_THAN_3,
    ),
    Definition(
        "sd1_sd2_ratio",
        "1",
        "sd1 / sd2",
        "Brennan et al. 2001, IEEE Trans. Biomed. Eng. 48:1342",
        (0, 5),
        "there are fewer than 3 RR intervals, or sd2 is 0",
    ),
    Definition(
        "turning_point_ratio",
        "1",
        "fraction of rr_2 .. rr_(N-1) above both or below both neighbours; 2/3 for a "
        "random series",
        "Dash et al. 2009, Ann. Biomed. Eng. 37:1701",
        (0, 1),
        _LESS_THAN_3,
    ),
    Definition(
        "median_abs_diff_ratio",
        "1",
        "median(|d_i|) / median_rr: like cvsd, but robust against a few ectopic beats",
        "ecgstore",
        (0, 1),
        _LESS_THAN_2,
    ),
    Definition(
        "n_ectopic",
        "1",
        "number of i with rr_i < 0.8 median_rr and rr_(i+1) > 1.15 median_rr: an "
        "early beat and a pause; premature beats without a compensatory pause are not "
        "counted, such as interpolated ones and all but the last of a run",
        "ecgstore",
        (0, 100),
        _LESS_THAN_2,
    ),
    Definition(
        "diff_histogram_entropy",
        "1",
        "Shannon entropy of the histogram of d_i / median_rr in bins of 0.05, one of "
        "them centred on 0, / ln(N - 1): 0 if all are in one bin, 1 if no two are",
        "after Tateno and Glass 2001, Med. Biol. Eng. Comput. 39:664",
        (0, 1),
        _LESS_THAN_3,
    ),
)

_NOTES: Final = """\
RR intervals are the times between successive beats of the record, in ms. All beats are
used, ectopic ones too. Below, rr_i (i = 1..N) are the intervals and d_i = rr_(i+1) -
rr_i (i = 1..N-1) their differences. `cvsd` is the normalised RMSSD.

**Conventions** (`--rr-convention`). The formulas are those of the convention
`neurokit`, equal to `neurokit2.hrv_time` within 1e-9 before rounding to float32 (pNNx
are ratios here and percentages there; TINN differs, because NeuroKit2 searches one
flank only). The convention `mietus` divides pNNx by N - 1, the number of differences,
as Mietus et al. 2002 do. The convention `prototype` does the same, and its standard
deviations divide the sum of squares by the number of values, not by one less.
"""


def _measure(inputs: Inputs) -> FloatArray:
    """Measure the RR intervals."""
    # Imported here, because it loads numba: showing the table must be fast.
    from ecgstore.features.rr.compute import rr_features

    return rr_features(inputs.beats.r_peaks, inputs.fs, inputs.convention)


RR: Final = FeatureGroup(
    position=1,
    title="RR intervals",
    notes=_NOTES,
    definitions=_DEFINITIONS,
    per_lead=False,
    measure=_measure,
    function="ecgstore.features.rr.compute.rr_features",
)

GROUPS: Final = (RR,)
