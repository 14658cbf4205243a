"""Measure beats and handcrafted features: speed, parity with NeuroKit2, accuracy.

::

    python bench/bench_features.py LUDB [--weights FILE] [--series N] [--records N]
        [--rounds N] [--json PATH]

LUDB is the folder with the records of the Lobachevsky University Database (``*.hea``,
``*.dat`` and one annotation file per lead). Three tables are printed:

* the RR features against `neurokit2.hrv_time`, equal before anything is timed;
* the time of finding and delineating beats, by part, and of NeuroKit2 alone;
* the marks of the LUDB records against those of the cardiologists, next to NeuroKit2's.

The package's own network has seen all these records. With ``--weights``, the file that
``python -m ecgstore.models.delineator_training LUDB --folds 5 -o FILE`` writes, every
record is shown to the network that has not.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import neurokit2
import numpy as np
from accuracy import score_marks
from ludb import FS, LudbRecord, read_ludb
from measuring import (
    add_count,
    arguments,
    in_turn,
    over,
    print_summary,
    summary,
    write_json,
)
from neurokit_alone import HRV_TIME, neurokit_marks

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.config import Config
from ecgstore.features import Beats, compute, find_beats, neurokit
from ecgstore.features.agreement import agreed_beats
from ecgstore.features.delineation import delineate
from ecgstore.features.rr import rr_features, rr_features_of_series
from ecgstore.features.table import RR_FEATURES
from ecgstore.record import Mark
from ecgstore.signals.preprocess import bandpass

MAX_RR_DIFFERENCE: Final = 1e-9
N_TIMED_SERIES: Final = 200
N_REPEATS: Final = 50
"""How often our RR features run for every run of NeuroKit2's, to be long enough."""
N_TIMED_RECORDS: Final = 20

HRV: Final = "neurokit2.hrv_time"
QUICK_HRV: Final = "neurokit2.hrv_time, TINN in one bin"
"""Most of its time goes into TINN, which means nothing below 20 min and is not ours."""
ONE_BIN_MS: Final = 10_000
RR_RIVALS: Final = {"rr_features": QUICK_HRV, "rr_features_of_series": QUICK_HRV}
BEATS_RIVALS: Final = {"find_beats": "NeuroKit2 alone"}


def main() -> None:
    """Measure, print tables, and write JSON if asked for."""
    parser = arguments(__doc__, folder="folder with the LUDB records", rounds=7)
    add_count(parser, "--series", 10_000, "random RR series to compare")
    add_count(parser, "--records", 200, "LUDB records, the first ones")
    parser.add_argument("--weights", type=Path, help="networks of the folds")
    options = parser.parse_args()
    weights = _weights_of(options.weights) if options.weights else None
    config = Config()
    results = {
        "rounds": options.rounds,
        "rr": compare_rr(options.series, options.rounds),
    }
    records = read_ludb(options.folder, options.records)
    with warnings.catch_warnings(action="ignore"):  # NeuroKit2 warns of single beats
        results["beats"] = _time_beats(
            records[:N_TIMED_RECORDS], config, options.rounds
        )
        results["ludb"] = score_marks(records, config, weights)
    write_json(options.json, results)


# RR features ------------------------------------------------------------------------


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


# Time of the beats ------------------------------------------------------------------


def _weights_of(path: Path) -> list[Float32Array]:
    """Return the weights of the folds, in their order."""
    with np.load(path) as file:
        names = sorted(name for name in file if name.startswith("weights_"))
        return [file[name] for name in names]


def _time_beats(
    records: Sequence[LudbRecord], config: Config, rounds: int
) -> dict[str, Any]:
    """Time finding beats, part by part; print a table and return it."""
    raw = [each.signal for each in records]
    band = config.low_hz, config.high_hz, config.filter_order
    signals = [bandpass(each, FS, *band) for each in raw]

    def find(signal: FloatArray) -> Beats:
        return find_beats(signal, FS, max_beats=config.max_beats)

    def find_with_neurokit(signal: FloatArray) -> Beats:
        return find_beats(signal, FS, max_beats=config.max_beats, engine="neurokit")

    def peaks_of_leads(signal: FloatArray) -> list[IntArray | None]:
        return [neurokit._lead_peaks(lead, FS) for lead in signal]

    def alone(signal: FloatArray, cleaned: bool) -> None:
        for lead in signal:
            neurokit_marks(lead, FS, cleaned=cleaned)

    def delineate_all(signal: FloatArray, r_peaks: IntArray) -> None:
        # Lead II once more stands for the root mean square of all leads.
        delineate(
            np.vstack([signal, signal[1:2]]), np.vstack([r_peaks, r_peaks[1:2]]), FS
        )

    found = [find(each) for each in signals]
    seen = [[x for x in peaks_of_leads(each) if x is not None] for each in signals]
    times = in_turn(
        {
            "NeuroKit2 alone, cleaning": over(lambda x: alone(x, True), raw),
            "NeuroKit2 alone": over(lambda x: alone(x, False), signals),
            "find_beats": over(find, signals),
            "find_beats, neurokit": over(find_with_neurokit, signals),
            "  peaks of the leads": over(peaks_of_leads, signals),
            "  agreement": over(lambda x, y: agreed_beats(y, x, FS), signals, seen),
            "  delineation": over(
                delineate_all,
                signals,
                [each.fiducials[..., Mark.R_PEAK] for each in found],
            ),
            "compute (all features)": over(
                lambda x, y: compute(x, y, FS, config.rr_convention), signals, found
            ),
        },
        rounds,
    )
    each = {name: of_all.each(len(records)) for name, of_all in times.items()}
    rows = summary(each, "ms", BEATS_RIVALS)
    print(f"Beats, {len(records)} LUDB records of 12 leads and 10 s")
    print_summary("a record", rows, "ms", digits=1, rivals=BEATS_RIVALS)
    return {
        "records": len(records),
        "a_record": {name.strip(): row for name, row in rows.items()},
    }


if __name__ == "__main__":
    main()
