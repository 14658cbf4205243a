"""Measure the RR-interval features: speed, and parity with NeuroKit2.

::

    python -m bench.builds.features [--series N] [--rounds N] [--json PATH]

Our features and `neurokit2.hrv_time` get the same random series of R-peaks, and must be
equal before anything is timed. Beats and marks are measured by `bench_beats.py`, all
features of a record there and by `bench_build.py`.
"""

import warnings
from typing import Any, Final

import neurokit2
import numpy as np

from bench.beats.neurokit_alone import HRV_TIME
from bench.common.measuring import (
    add_count,
    arguments,
    in_turn,
    over,
    print_summary,
    summary,
    write_json,
)
from ecgstore.arrays import IntArray
from ecgstore.features.rr.compute import rr_features, rr_features_of_series
from ecgstore.features.table import RR_FEATURES

FS: Final = 500.0
"""Sampling rate of the series in Hz."""
MAX_RR_DIFFERENCE: Final = 1e-9
N_TIMED_SERIES: Final = 200
N_REPEATS: Final = 50
"""How often our RR features run for every run of NeuroKit2's, to be long enough."""

HRV: Final = "neurokit2.hrv_time"
QUICK_HRV: Final = "neurokit2.hrv_time, TINN in one bin"
"""Most of its time goes into TINN, which means nothing below 20 min and is not ours."""
ONE_BIN_MS: Final = 10_000
RR_RIVALS: Final = {"rr_features": QUICK_HRV, "rr_features_of_series": QUICK_HRV}


def main() -> None:
    """Measure, print the table, and write JSON if asked for."""
    parser = arguments(__doc__, folder=None, rounds=7)
    add_count(parser, "--series", 10_000, "random RR series to compare")
    options = parser.parse_args()
    rr = compare_rr(options.series, options.rounds)
    write_json(options.json, {"rounds": options.rounds, "rr": rr})


def compare_rr(n_series: int, rounds: int) -> dict[str, Any]:
    """Compare the RR features with NeuroKit2's, time both, print a table, return it."""
    series = _random_series(n_series)
    with warnings.catch_warnings(action="ignore"):  # it divides by zero differences
        difference = max(_rr_difference(r_peaks) for r_peaks in series)
        print(
            f"RR features, {n_series} random series of 3 to 39 intervals; largest "
            f"difference from\nneurokit2.hrv_time (of the value, where it is above 1): "
            f"{difference:.1e}"
        )
        if not difference <= MAX_RR_DIFFERENCE:
            raise SystemExit("the RR features disagree, so nothing was timed")
        some = series[:N_TIMED_SERIES]
        n_more = N_REPEATS * len(some)
        r_peaks = np.concatenate(some)
        offsets = np.cumsum([0, *map(len, some)])
        times = in_turn(
            {
                HRV: over(lambda x: neurokit2.hrv_time(x, sampling_rate=FS), some),
                QUICK_HRV: over(_quick_hrv, some),
                "rr_features": over(lambda x: rr_features(x, FS), some * N_REPEATS),
                "rr_features_of_series": over(
                    lambda _: rr_features_of_series(r_peaks, offsets, FS),
                    range(N_REPEATS),
                ),
            },
            rounds,
        )
    each = {
        name: of_all.each(n_more if name in RR_RIVALS else len(some))
        for name, of_all in times.items()
    }
    rows = summary(each, "us", RR_RIVALS)
    print_summary("a series", rows, "us", digits=2, rivals=RR_RIVALS)
    return {
        "series": n_series,
        "timed_series": len(some),
        "largest_difference": difference,
        "a_series": rows,
    }


def _quick_hrv(r_peaks: IntArray) -> Any:
    """Return NeuroKit2's table, without a search for TINN."""
    return neurokit2.hrv_time(r_peaks, sampling_rate=FS, binsize=ONE_BIN_MS)


def _random_series(n_series: int) -> list[IntArray]:
    """Return R-peaks of 3 to 39 intervals of all rates and degrees of irregularity."""
    rng = np.random.default_rng(0)
    series = []
    for _ in range(n_series):
        rr = rng.uniform(150, 900) * rng.lognormal(
            0, rng.uniform(0.001, 0.4), rng.integers(3, 40)
        )
        series.append(np.cumsum(np.r_[rng.integers(0, 500), np.ceil(rr)]).astype(int))
    return series


def _rr_difference(r_peaks: IntArray) -> float:
    """Return the largest difference from NeuroKit2 over all shared features."""
    names = [each.name for each in RR_FEATURES]
    ours = dict(zip(names, rr_features(r_peaks, FS).tolist(), strict=True))
    theirs = _quick_hrv(r_peaks).iloc[0]
    largest = 0.0
    for name, their_name in HRV_TIME.items():
        value = ours[name] * (100 if name.startswith("pnn") else 1)
        expected = float(theirs[f"HRV_{their_name}"])
        difference = abs(value - expected) / max(1.0, abs(expected))
        # A NaN on one side only must not pass: max() would lose it.
        both_undefined = np.isnan(value) and np.isnan(expected)
        largest = max(
            largest, 0.0 if both_undefined else np.nan_to_num(difference, nan=np.inf)
        )
    return float(largest)


if __name__ == "__main__":
    main()
