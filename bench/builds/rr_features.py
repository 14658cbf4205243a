"""Compare the RR-interval features with NeuroKit2's, and time both.

Example::

    python -m bench.builds.rr_features --series 10000

`rr_features` and `neurokit2.hrv_time` get the same random series of R-peaks; nothing is
timed unless their values agree. ``bench.beats.delineation`` times beats and marks,
``bench.builds.throughput`` the features of whole records.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import neurokit2
import numpy as np

from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_time_rows, time_rows
from bench.common.timing import for_every_row, time_in_rounds
from ecgstore.arrays import IntArray
from ecgstore.features.rr.compute import rr_features
from ecgstore.features.rr.definitions import RR

FS: Final = 500.0
"""Sampling rate of the series in Hz."""
MAX_DIFFERENCE: Final = 1e-9
N_TIMED_SERIES: Final = 200
N_REPEATS: Final = 50
"""Runs of `rr_features` per run of NeuroKit2, so that it lasts long enough to time."""

HRV: Final = "neurokit2.hrv_time"
HRV_ONE_BIN: Final = "neurokit2.hrv_time, TINN in one bin"
"""Without most of the time that TINN takes, a feature that `rr_features` lacks: it is
not meaningful in recordings below 20 min."""
ONE_BIN_MS: Final = 10_000
OURS: Final = "rr_features"
REFERENCES: Final = {OURS: HRV_ONE_BIN}

HRV_TIME_NAMES: Final = {
    "mean_rr_ms": "MeanNN",
    "sdnn_ms": "SDNN",
    "rmssd_ms": "RMSSD",
    "sdsd_ms": "SDSD",
    "cvnn": "CVNN",
    "cvsd": "CVSD",
    "median_rr_ms": "MedianNN",
    "mad_rr_ms": "MadNN",
    "mcvnn": "MCVNN",
    "iqr_rr_ms": "IQRNN",
    "sdrmssd": "SDRMSSD",
    "prc20_rr_ms": "Prc20NN",
    "prc80_rr_ms": "Prc80NN",
    "pnn50": "pNN50",
    "pnn20": "pNN20",
    "min_rr_ms": "MinNN",
    "max_rr_ms": "MaxNN",
}
"""Names of the RR features in `neurokit2.hrv_time`, after "HRV_"; its pNNx are in %."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print the table, and write JSON if a path is given."""
    parser = benchmark_parser("bench.builds.rr_features", __doc__, rounds=7)
    add_count(parser, "--series", 10_000, "random RR series to compare")
    options = parser.parse_args(arguments)
    rr = _compare(options.series, options.rounds)
    write_json(options.json, {"rounds": options.rounds, "rr": rr})


def _compare(n_series: int, rounds: int) -> dict[str, Any]:
    """Compare and time both implementations; print a table and return its numbers."""
    series = _random_series(n_series)
    with warnings.catch_warnings(action="ignore"):  # it divides by zero differences
        difference = max(_difference(r_peaks) for r_peaks in series)
        print(
            f"RR features, {n_series} random series of 3 to 39 intervals; largest "
            f"difference from\nneurokit2.hrv_time (relative, where the value is above "
            f"1): {difference:.1e}"
        )
        if not difference <= MAX_DIFFERENCE:
            raise SystemExit("the RR features disagree, so nothing was timed")
        timed = series[:N_TIMED_SERIES]
        times = time_in_rounds(
            {
                HRV: for_every_row(
                    lambda r_peaks: neurokit2.hrv_time(r_peaks, sampling_rate=FS), timed
                ),
                HRV_ONE_BIN: for_every_row(_hrv_one_bin, timed),
                OURS: for_every_row(
                    lambda r_peaks: rr_features(r_peaks, FS), timed * N_REPEATS
                ),
            },
            rounds,
        )
    per_series = {
        name: seconds.per_item(len(timed) * (N_REPEATS if name == OURS else 1))
        for name, seconds in times.items()
    }
    rows = time_rows(per_series, "us", REFERENCES)
    print_time_rows("a series", rows, "us", digits=2, references=REFERENCES)
    return {
        "series": n_series,
        "timed_series": len(timed),
        "largest_difference": difference,
        "a_series": rows,
    }


def _hrv_one_bin(r_peaks: IntArray) -> Any:
    """Return NeuroKit2's table, without its search for TINN."""
    return neurokit2.hrv_time(r_peaks, sampling_rate=FS, binsize=ONE_BIN_MS)


def _random_series(n_series: int) -> list[IntArray]:
    """Return R-peaks of 3 to 39 intervals of various rates and irregularity."""
    rng = np.random.default_rng(0)
    series = []
    for _ in range(n_series):
        rr = rng.uniform(150, 900) * rng.lognormal(
            0, rng.uniform(0.001, 0.4), rng.integers(3, 40)
        )
        series.append(np.cumsum(np.r_[rng.integers(0, 500), np.ceil(rr)]).astype(int))
    return series


def _difference(r_peaks: IntArray) -> float:
    """Return the largest difference from NeuroKit2 over all shared features."""
    names = [feature.name for feature in RR.features]
    values = dict(zip(names, rr_features(r_peaks, FS).tolist(), strict=True))
    references = _hrv_one_bin(r_peaks).iloc[0]
    largest = 0.0
    for name, hrv_name in HRV_TIME_NAMES.items():
        value = values[name] * (100 if name.startswith("pnn") else 1)
        expected = float(references[f"HRV_{hrv_name}"])
        difference = abs(value - expected) / max(1.0, abs(expected))
        # A NaN in only one of the two must not pass: max() would lose it.
        both_undefined = np.isnan(value) and np.isnan(expected)
        largest = max(
            largest, 0.0 if both_undefined else np.nan_to_num(difference, nan=np.inf)
        )
    return float(largest)


if __name__ == "__main__":
    main()
