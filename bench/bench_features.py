"""Measure beats and handcrafted features: speed, parity with NeuroKit2, accuracy.

::

    python bench/bench_features.py LUDB [--series N] [--rounds N] [--json PATH]

LUDB is the folder with the records of the Lobachevsky University Database (``*.hea``,
``*.dat`` and one annotation file per lead). Three tables are printed:

* the RR features against `neurokit2.hrv_time`: largest difference, time per series;
* the time per record of finding and delineating beats, by part, and of NeuroKit2 alone;
* the marks of all LUDB records against those of the cardiologists, next to NeuroKit2's.

The rounds of all contestants alternate, so that a busy machine slows all of them.
"""

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import neurokit2
import numpy as np
import wfdb
from scipy.signal import butter, sosfiltfilt

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features import beats as beats_module
from ecgstore.features import compute, find_beats
from ecgstore.features.agreement import agreed_beats
from ecgstore.features.delineation import delineate
from ecgstore.features.rr import rr_features, rr_features_of_series
from ecgstore.features.table import RR_FEATURES
from ecgstore.record import LEADS, MARKS

FS = 500.0
TOLERANCE_S = 0.15
R_PEAK = MARKS.index("r_peak")

HRV_TIME = {
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
NEUROKIT_MARKS = {
    "p_on": "ECG_P_Onsets",
    "p_peak": "ECG_P_Peaks",
    "p_off": "ECG_P_Offsets",
    "qrs_on": "ECG_R_Onsets",
    "qrs_off": "ECG_R_Offsets",
    "t_on": "ECG_T_Onsets",
    "t_peak": "ECG_T_Peaks",
    "t_off": "ECG_T_Offsets",
}

Annotation = tuple[dict[str, IntArray], int, int]
"""The marks of a lead by name, and its first and its last one."""


def main() -> int:
    """Measure, print tables, and write JSON if asked for."""
    arguments = _arguments()
    warnings.simplefilter("ignore")  # NeuroKit2 and SciPy warn of single beats
    report: dict[str, Any] = _machine()
    report["rr"] = _bench_rr(arguments.series, arguments.rounds)
    records = _read_ludb(arguments.ludb)
    report["beats"] = _bench_beats([raw for raw, _ in records], arguments.rounds)
    report["ludb"] = _bench_accuracy(records)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ludb", type=Path, help="folder with the LUDB records")
    parser.add_argument(
        "--series", type=int, default=10_000, help="RR series to compare (10000)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (7)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write results here")
    return parser.parse_args()


def _machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    return {
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("neurokit2", "numba", "numpy", "scipy")
        },
    }


def _times(
    contestants: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Return wall and CPU seconds of every round of every contestant."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            if number > 0:  # the first round warms caches and compiles
                times[name].append(spent)
    return times


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _shown(spread: Mapping[str, float], form: str) -> str:
    """Return median (lowest-highest)."""
    median, lowest, highest = (format(value, form) for value in spread.values())
    return f"{median} ({lowest}-{highest})"


# RR features ------------------------------------------------------------------------


def _bench_rr(n_series: int, rounds: int) -> dict[str, Any]:
    """Compare the RR features with NeuroKit2's, and time both."""
    rng = np.random.default_rng(0)
    series = []
    for _ in range(n_series):
        rr = rng.uniform(150, 900) * rng.lognormal(
            0, rng.uniform(0.001, 0.4), rng.integers(3, 40)
        )
        series.append(np.cumsum(np.r_[rng.integers(0, 500), np.ceil(rr)]).astype(int))
    difference = max(_rr_difference(r_peaks) for r_peaks in series)
    print(
        f"RR features, {n_series} random series of 3 to 39 intervals\n"
        f"  largest difference from neurokit2.hrv_time: {difference:.1e} "
        "(of the value, where it is above 1)"
    )
    some = series[:200]
    r_peaks = np.concatenate(some)
    offsets = np.cumsum([0, *(len(each) for each in some)])
    times = _times(
        {
            "hrv_time": lambda: [neurokit2.hrv_time(x, sampling_rate=FS) for x in some],
            "rr_features": lambda: [rr_features(x, FS) for x in some * 50],
            "rr_features_of_series": lambda: [
                rr_features_of_series(r_peaks, offsets, FS) for _ in range(50)
            ],
        },
        rounds,
    )
    per_round = dict.fromkeys(times, 50 * len(some)) | {"hrv_time": len(some)}
    result: dict[str, Any] = {"n_series": n_series, "largest_difference": difference}
    for name, spent in times.items():
        wall = [1e6 * seconds / per_round[name] for seconds, _ in spent]
        cpu = [1e6 * seconds / per_round[name] for _, seconds in spent]
        result[name] = {"wall_us": _spread(wall), "cpu_us": _spread(cpu)}
        print(
            f"  {name:24}{_shown(result[name]['wall_us'], '.2f'):>34} us a series, "
            f"CPU {_shown(result[name]['cpu_us'], '.2f')}"
        )
    for name in ("rr_features", "rr_features_of_series"):
        ratios = [
            50 * theirs[0] / ours[0]
            for theirs, ours in zip(times["hrv_time"], times[name], strict=True)
        ]
        result[name]["times_faster"] = _spread(ratios)
        print(f"  hrv_time / {name}: {_shown(_spread(ratios), '.0f')}")
    return result


def _rr_difference(r_peaks: IntArray) -> float:
    """Return the largest difference from NeuroKit2 over all shared features."""
    names = [each.name for each in RR_FEATURES]
    ours = dict(zip(names, rr_features(r_peaks, FS).tolist(), strict=True))
    theirs = neurokit2.hrv_time(r_peaks, sampling_rate=FS).iloc[0]
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
    return largest


# Time of the beats ------------------------------------------------------------------


def _band_passed(signal: FloatArray) -> FloatArray:
    """Filter as a store does by default: 0.5-40 Hz, order 2, zero phase."""
    sections = butter(2, [0.5, 40], "bandpass", fs=FS, output="sos")
    return np.asarray(sosfiltfilt(sections, signal, axis=1))


def _neurokit_lead(lead: FloatArray, cleaned: bool) -> dict[str, FloatArray]:
    """Return NeuroKit2's marks of a lead with its own R-peaks; R-peaks if it fails."""
    if cleaned:
        lead = neurokit2.ecg_clean(lead, sampling_rate=FS)
    _, info = neurokit2.ecg_peaks(lead, sampling_rate=FS)
    r_peaks = info["ECG_R_Peaks"]
    marks = {"r_peak": np.asarray(r_peaks, float)}
    try:
        _, waves = neurokit2.ecg_delineate(
            lead, r_peaks, sampling_rate=FS, method="prominence"
        )
    except Exception:  # with too few beats, see the table of its failures
        return marks
    return marks | {
        name: np.array(waves[their_name], float)
        for name, their_name in NEUROKIT_MARKS.items()
    }


def _bench_beats(raw_signals: Sequence[FloatArray], rounds: int) -> dict[str, Any]:
    """Time finding beats, part by part, on the first 20 records."""
    raw_signals = raw_signals[:20]
    n_records = len(raw_signals)
    signals = [_band_passed(raw) for raw in raw_signals]
    found = [find_beats(signal, FS, max_beats=50) for signal in signals]
    seen = [[beats_module._lead_peaks(lead, FS) for lead in x] for x in signals]
    tops = [beats.fiducials[..., R_PEAK] for beats in found]

    def each(function: Callable[..., object], *items: Sequence[Any]) -> Any:
        return lambda: [function(*item) for item in zip(*items, strict=True)]

    contestants = {
        "NeuroKit2 alone, cleaning": each(
            lambda raw: [_neurokit_lead(lead, True) for lead in raw], raw_signals
        ),
        "NeuroKit2 alone": each(
            lambda x: [_neurokit_lead(lead, False) for lead in x], signals
        ),
        "find_beats": each(lambda x: find_beats(x, FS, max_beats=50), signals),
        "  peaks of the leads": each(
            lambda x: [beats_module._lead_peaks(lead, FS) for lead in x], signals
        ),
        "  agreement": each(lambda x, peaks: agreed_beats(peaks, x, FS), signals, seen),
        "  delineation": each(
            # Lead II once more stands for the root mean square of all leads.
            lambda x, r_peaks: delineate(
                np.vstack([x, x[1:2]]), np.vstack([r_peaks, r_peaks[1:2]]), FS
            ),
            signals,
            tops,
        ),
        "compute (all features)": each(lambda x, b: compute(x, b, FS), signals, found),
    }
    times = _times(contestants, rounds)
    print(f"\nBeats, {n_records} records of 12 leads and 10 s, ms a record")
    result: dict[str, Any] = {"n_records": n_records}
    total = statistics.median(cpu for _, cpu in times["find_beats"])
    for name, spent in times.items():
        wall = _spread([1e3 * seconds / n_records for seconds, _ in spent])
        cpu = _spread([1e3 * seconds / n_records for _, seconds in spent])
        result[name.strip()] = {"wall_ms": wall, "cpu_ms": cpu}
        share = cpu["median"] * n_records / 1e3 / total
        print(
            f"  {name:26}{_shown(wall, '.1f'):>26}, CPU {_shown(cpu, '.1f'):>20}"
            + (f"  {share:4.0%}" if name.startswith(("  ", "find")) else "")
        )
    return result


# Accuracy ---------------------------------------------------------------------------


@dataclass
class Score:
    """Agreement of found marks with annotated ones."""

    errors: list[float] = field(default_factory=list)
    n_annotated: int = 0
    n_found: int = 0
    n_hits_inside: int = 0
    n_found_inside: int = 0

    def add(
        self, annotated: FloatArray, found: FloatArray, first: int, last: int
    ) -> None:
        """Match the marks of one lead, nearest pairs first.

        The first and the last beat of a lead are not annotated. So a mark that matches
        no annotation is an error only between the lead's first and last annotation.
        The figures "inside" leave out all found marks before and after, also those that
        match: the first annotated onset is then lost if it is found a moment early.
        """
        found = np.sort(found)
        inside = (found >= first) & (found <= last)
        matched = _match(annotated, found)
        self.errors += [1000 * (found[j] - annotated[i]) / FS for i, j in matched]
        self.n_annotated += len(annotated)
        hit = np.zeros(len(found), bool)
        hit[[j for _, j in matched]] = True
        self.n_found += int((hit | inside).sum())
        self.n_found_inside += int(inside.sum())
        self.n_hits_inside += len(_match(annotated, found[inside]))

    def summary(self) -> dict[str, float]:
        """Return sensitivity, precision, F1, and mean and sd of the error in ms."""
        hits = len(self.errors)
        return {
            "se": hits / self.n_annotated,
            "ppv": hits / self.n_found,
            "f1": 2 * hits / (self.n_annotated + self.n_found),
            "mean_ms": statistics.fmean(self.errors),
            "sd_ms": statistics.pstdev(self.errors),
            "f1_inside": 2
            * self.n_hits_inside
            / (self.n_annotated + self.n_found_inside),
        }


def _match(annotated: FloatArray, found: FloatArray) -> list[tuple[int, int]]:
    """Return pairs of places within the tolerance, each mark once, nearest first."""
    distance = np.abs(np.subtract.outer(annotated, found))
    near = np.argwhere(distance <= TOLERANCE_S * FS)
    order = np.argsort(distance[near[:, 0], near[:, 1]], kind="stable")
    pairs: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for i, j in near[order].tolist():
        if i not in taken[0] and j not in taken[1]:
            pairs.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    return pairs


def _read_ludb(folder: Path) -> list[tuple[FloatArray, list[Annotation]]]:
    """Return raw signals in mV and annotations of every record."""
    headers = sorted(folder.rglob("*.hea"), key=lambda path: path.stem.zfill(5))
    if not headers:
        raise SystemExit(f"{folder}: expected a folder with LUDB's .hea files")
    records = []
    for header in headers:
        path = os.fspath(header.with_suffix(""))
        record = wfdb.rdrecord(path)
        names = [name.lower() for name in record.sig_name]
        order = [names.index(lead.lower()) for lead in LEADS]
        annotations = [_annotation(path, lead) for lead in LEADS]
        records.append((np.ascontiguousarray(record.p_signal.T[order]), annotations))
    return records


def _annotation(path: str, lead: str) -> Annotation:
    """Return the marks of one lead: "(" peak ")" for each of p, N (QRS) and t."""
    marks = wfdb.rdann(path, lead.lower())
    names = {"p": "p", "N": "qrs", "t": "t"}
    found: dict[str, list[int]] = {name: [] for name in MARKS}
    for k, symbol in enumerate(marks.symbol):
        if symbol not in names:
            continue
        wave = names[symbol]
        found["r_peak" if wave == "qrs" else f"{wave}_peak"].append(marks.sample[k])
        if k > 0 and marks.symbol[k - 1] == "(":
            found[f"{wave}_on"].append(marks.sample[k - 1])
        if marks.symbol[k + 1 : k + 2] == [")"]:
            found[f"{wave}_off"].append(marks.sample[k + 1])
    arrays = {name: np.array(places, np.int64) for name, places in found.items()}
    return arrays, int(marks.sample.min()), int(marks.sample.max())


def _record_beats(annotations: Sequence[Annotation]) -> tuple[FloatArray, int, int]:
    """Return the beats that half of the leads have annotated, by median time."""
    marks = np.sort(np.concatenate([each["r_peak"] for each, _, _ in annotations]))
    groups = np.split(marks, np.flatnonzero(np.diff(marks) > TOLERANCE_S * FS) + 1)
    beats = [np.median(group) for group in groups if len(group) >= len(LEADS) // 2]
    first, last = (int(np.median([each[k] for each in annotations])) for k in (1, 2))
    return np.array(beats), first, last


def _bench_accuracy(
    records: Sequence[tuple[FloatArray, list[Annotation]]],
) -> dict[str, Any]:
    """Score ecgstore and NeuroKit2 alone on every record."""
    scores: dict[tuple[str, str, str], Score] = {}

    def score(leads: str, mark: str, who: str) -> Score:
        return scores.setdefault((leads, mark, who), Score())

    for raw, annotations in records:
        signal = _band_passed(raw)
        beats = find_beats(signal, FS, max_beats=50)
        reference, first, last = _record_beats(annotations)
        score("record", "r_peak", "ecgstore").add(
            reference, beats.r_peaks.astype(float), first, last
        )
        for lead, (annotated, first, last) in enumerate(annotations):
            found = {
                "ecgstore": {
                    name: beats.fiducials[lead, :, column].astype(float)
                    for column, name in enumerate(MARKS)
                },
                "NeuroKit2": _neurokit_lead(signal[lead], cleaned=False),
                "NeuroKit2, cleaning": _neurokit_lead(raw[lead], cleaned=True),
            }
            for who, marks in found.items():
                for name in MARKS:
                    places = marks.get(name, np.empty(0))
                    places = places[places >= 0]  # NaN compares as False
                    for leads in ("II", "all") if LEADS[lead] == "II" else ("all",):
                        score(leads, name, who).add(
                            annotated[name].astype(float), places, first, last
                        )
    return _print_accuracy(scores, len(records))


def _print_accuracy(
    scores: Mapping[tuple[str, str, str], Score], n_records: int
) -> dict[str, Any]:
    """Print the table of accuracy and return its numbers."""
    print(
        f"\nMarks of {n_records} LUDB records within {1000 * TOLERANCE_S:.0f} ms of "
        "the cardiologists'\n"
        f"  {'leads':8}{'mark':9}{'by':21}{'Se':>7}{'PPV':>7}{'F1':>7}"
        f"{'error, ms':>16}{'F1 inside':>11}"
    )
    result: dict[str, Any] = {}
    for key in sorted(scores, key=_table_order):
        leads, mark, who = key
        row = scores[key].summary()
        result.setdefault(leads, {}).setdefault(mark, {})[who] = row
        print(
            f"  {leads:8}{mark:9}{who:21}{row['se']:7.4f}{row['ppv']:7.4f}"
            f"{row['f1']:7.4f}{row['mean_ms']:8.1f} +-{row['sd_ms']:5.1f}"
            f"{row['f1_inside']:11.4f}"
        )
    return result


def _table_order(key: tuple[str, str, str]) -> tuple[int, int, str]:
    """Sort by leads, mark and contestant; ours, in lower case, first."""
    leads, mark, who = key
    return ("record", "II", "all").index(leads), MARKS.index(mark), who.swapcase()


if __name__ == "__main__":
    raise SystemExit(main())
