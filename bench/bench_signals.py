"""Time the preprocessing and the quality measures on real records, stage by stage.

::

    python bench/bench_signals.py FOLDER [--rounds N] [--json PATH]

Every record is read once and every stage runs on it `rounds` times, in turn, on one
core; a round's result is the mean over the records that the stage applies to. The
band-pass is compared with SciPy's before anything is timed.
"""

import argparse
import functools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal

from ecgstore.arrays import FloatArray
from ecgstore.record import Record
from ecgstore.signals.gaps import interpolate_gaps, whole_samples
from ecgstore.signals.preprocess import (
    bandpass,
    cut_or_pad,
    first_seconds,
    preprocess,
    resample,
    to_int16,
)
from ecgstore.signals.quality import check, measure
from ecgstore.sources import find_headers, read_record

FS_OUT = 500.0
DURATION_S = 10.0
MARGIN_S = 3.0
LOW_HZ, HIGH_HZ, ORDER = 0.5, 40.0, 3
MAX_GAP_S = 0.1


def main() -> int:
    """Time every record, print a table, and write JSON if asked for."""
    arguments = _arguments()
    paths = list(find_headers(arguments.folder))
    if not paths:
        raise SystemExit(f"{arguments.folder} has no records")
    times: dict[str, list[list[float]]] = {}
    for path in paths:
        for name, stage in _stages(read_record(path)).items():
            times.setdefault(name, []).append(_time(stage, arguments.rounds))
    results: list[dict[str, Any]] = [
        {"name": name, "records": len(records), "ms": _spread(records)}
        for name, records in times.items()
    ]
    print(f"{'ms a record':44}{'records':>8}{'median (range)':>24}")
    for row in results:
        ms = row["ms"]
        shown = f"{ms['median']:.3f} ({ms['min']:.3f}-{ms['max']:.3f})"
        print(f"{row['name']:44}{row['records']:>8}{shown:>24}")
    if arguments.json:
        report = _machine() | {"rounds": arguments.rounds, "results": results}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with Challenge records")
    parser.add_argument("--rounds", type=int, default=9, help="rounds (default: 9)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write results here")
    return parser.parse_args()


def _stages(record: Record) -> dict[str, Callable[[], object]]:
    """Return the stages that apply to a record, each with its own input."""
    signal, fs = record.signal, record.fs
    window = first_seconds(signal, fs, DURATION_S)
    with_margin = first_seconds(signal, fs, DURATION_S + MARGIN_S)
    resampled = resample(with_margin, fs, FS_OUT)
    filtered = bandpass(resampled, FS_OUT, LOW_HZ, HIGH_HZ, ORDER)
    if not np.array_equal(filtered, _scipy_bandpass(resampled)):
        raise SystemExit(f"{record.record_id}: the band-pass differs from SciPy's")
    cut, _ = cut_or_pad(filtered, round(DURATION_S * FS_OUT))

    stages: dict[str, Callable[[], object]] = {
        "quality.check": lambda: check(
            window,
            fs,
            min_duration_s=2.0,
            max_gap_s=MAX_GAP_S,
            reject_flat_leads=False,
            max_clipped_fraction=0.5,
        ),
        "quality.measure": lambda: measure(window, fs),
        "interpolate_gaps": lambda: interpolate_gaps(
            with_margin, whole_samples(MAX_GAP_S, fs)
        ),
    }
    if fs != FS_OUT:
        stages[f"resample {fs:g} -> {FS_OUT:g} Hz"] = lambda: resample(
            with_margin, fs, FS_OUT
        )
    stages |= {
        "bandpass": lambda: bandpass(resampled, FS_OUT, LOW_HZ, HIGH_HZ, ORDER),
        "scipy.signal.sosfiltfilt, the same result": lambda: _scipy_bandpass(resampled),
        "cut_or_pad": lambda: cut_or_pad(filtered, round(DURATION_S * FS_OUT)),
        f"preprocess, all of it from {fs:g} Hz": lambda: preprocess(
            signal,
            fs,
            fs_out=FS_OUT,
            duration_s=DURATION_S,
            margin_s=MARGIN_S,
            low_hz=LOW_HZ,
            high_hz=HIGH_HZ,
            order=ORDER,
            max_gap_s=MAX_GAP_S,
        ),
        "to_int16": lambda: to_int16(cut),
    }
    return stages


def _scipy_bandpass(signal: FloatArray) -> FloatArray:
    """Filter as `bandpass` does, with SciPy alone."""
    n_pad = min(round(FS_OUT / LOW_HZ), signal.shape[1] - 1)
    filtered: FloatArray = scipy.signal.sosfiltfilt(
        _sections(), signal, padtype="even", padlen=n_pad
    )
    return filtered


@functools.cache
def _sections() -> FloatArray:
    """Return the filter, designed once as in `bandpass`."""
    sections: FloatArray = scipy.signal.butter(
        ORDER, [LOW_HZ, HIGH_HZ], "bandpass", fs=FS_OUT, output="sos"
    )
    return sections


def _time(stage: Callable[[], object], rounds: int) -> list[float]:
    """Return the ms of every round; one before them warms caches and compiles."""
    stage()
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        stage()
        spent.append(1e3 * (time.perf_counter() - start))
    return spent


def _spread(records: list[list[float]]) -> dict[str, float]:
    """Return median and range over the rounds of the mean over the records."""
    rounds = [statistics.fmean(each) for each in zip(*records, strict=True)]
    return {
        "median": statistics.median(rounds),
        "min": min(rounds),
        "max": max(rounds),
    }


def _machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("ecgstore", "numba", "numpy", "scipy")
        },
    }


if __name__ == "__main__":
    raise SystemExit(main())
