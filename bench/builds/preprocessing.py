"""Time preprocessing and quality measures on real records, step by step.

Example::

    python -m bench.builds.preprocessing data/challenge-2020/training --rounds 9

Every step runs on every record, interleaved, with the default options of a build; the
result of a round is the mean over the records that the step applies to. Nothing of a
record is timed unless its band-pass equals SciPy's.
"""

import functools
import statistics
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import scipy.signal

from bench.common.command_line import benchmark_parser
from bench.common.records import accepted_records, headers_in, options_for
from bench.common.report import write_json
from bench.common.tables import print_time_rows, time_rows
from bench.common.timing import Times, time_in_rounds
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.record import Record
from ecgstore.signals.gaps import interpolate_gaps, whole_samples
from ecgstore.signals.preprocess import (
    bandpass,
    cut_or_pad,
    first_seconds,
    preprocess,
    to_int16,
)
from ecgstore.signals.quality import check, measure
from ecgstore.signals.resampling import resample

BANDPASS: Final = "bandpass"
SCIPY: Final = "scipy.signal.sosfiltfilt, the same result"


def main(arguments: Sequence[str] | None = None) -> None:
    """Time every record, print a table, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.builds.preprocessing", __doc__, folder="folder with records", rounds=9
    )
    options = parser.parse_args(arguments)
    config = Config()
    by_step: dict[str, list[Times]] = {}
    for _, record in accepted_records(headers_in(options.folder), config):
        times = time_in_rounds(_steps(record, config), options.rounds)
        for name, seconds in times.items():
            by_step.setdefault(name, []).append(seconds)
    if not by_step:
        raise SystemExit(f"{options.folder}: a build would leave out all its records")
    means = {name: _mean(records) for name, records in by_step.items()}
    references = {BANDPASS: SCIPY}
    rows = time_rows(means, "ms", references)
    print_time_rows("a record", rows, "ms", digits=3, references=references)
    steps = {name: {"records": len(by_step[name]), **row} for name, row in rows.items()}
    write_json(options.json, {"rounds": options.rounds, "a_record": steps})


def _mean(records: Sequence[Times]) -> Times:
    """Return the mean over the records, round by round."""
    walls = zip(*(times.wall for times in records), strict=True)
    cpus = zip(*(times.cpu for times in records), strict=True)
    return Times([*map(statistics.fmean, walls)], [*map(statistics.fmean, cpus)])


def _steps(record: Record, config: Config) -> dict[str, Callable[[], object]]:
    """Return the steps that apply to a record, with their input prepared."""
    signal, fs = record.signal, record.fs
    check_options = options_for(check, config)
    preprocess_options = options_for(preprocess, config)
    longest_gap = whole_samples(config.max_gap_s, fs)
    window = first_seconds(signal, fs, config.duration_s)
    with_margin = first_seconds(signal, fs, config.duration_s + config.margin_s)
    filled = interpolate_gaps(with_margin, longest_gap)
    resampled = resample(filled, fs, config.fs)
    band = config.fs, config.low_hz, config.high_hz, config.filter_order
    filtered = bandpass(resampled, *band)
    expected = _scipy_bandpass(resampled, *band)
    if not np.array_equal(filtered, expected, equal_nan=True):
        raise SystemExit(f"{record.record_id}: the band-pass differs from SciPy's")
    cut, _ = cut_or_pad(filtered, config.n_samples)

    steps: dict[str, Callable[[], object]] = {
        "quality.check": lambda: check(window, fs, **check_options),
        "quality.measure": lambda: measure(window, fs),
        "interpolate_gaps": lambda: interpolate_gaps(with_margin, longest_gap),
    }
    if fs != config.fs:
        steps[f"resample {fs:g} -> {config.fs:g} Hz"] = lambda: resample(
            filled, fs, config.fs
        )
    return steps | {
        BANDPASS: lambda: bandpass(resampled, *band),
        SCIPY: lambda: _scipy_bandpass(resampled, *band),
        "cut_or_pad": lambda: cut_or_pad(filtered, config.n_samples),
        f"preprocess, all steps from {fs:g} Hz": lambda: preprocess(
            signal, fs, **preprocess_options
        ),
        "to_int16": lambda: to_int16(cut),
    }


def _scipy_bandpass(
    signal: FloatArray, fs: float, low_hz: float, high_hz: float, order: int
) -> FloatArray:
    """Filter as `bandpass` does, with SciPy only."""
    n_pad = min(round(fs / low_hz), signal.shape[1] - 1)
    filtered: FloatArray = scipy.signal.sosfiltfilt(
        _sections(fs, low_hz, high_hz, order), signal, padtype="even", padlen=n_pad
    )
    return filtered


@functools.cache
def _sections(fs: float, low_hz: float, high_hz: float, order: int) -> FloatArray:
    """Return the filter; it is designed once, as in `bandpass`."""
    sections: FloatArray = scipy.signal.butter(
        order, [low_hz, high_hz], "bandpass", fs=fs, output="sos"
    )
    return sections


if __name__ == "__main__":
    main()
