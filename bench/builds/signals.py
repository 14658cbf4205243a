"""Time the preprocessing and the quality measures on real records, stage by stage.

::

    python -m bench.builds.signals FOLDER [--rounds N] [--json PATH]

All stages run on every record, in turn, with the default options of a build; a round's
result is the mean over the records that the stage applies to. The band-pass of every
record is compared with SciPy's before it is timed.
"""

import functools
import statistics
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import scipy.signal

from bench.common.measuring import (
    Times,
    arguments,
    in_turn,
    print_summary,
    summary,
    write_json,
)
from bench.common.records import accepted, headers_in, options_of
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
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

BANDPASS: Final = "bandpass"
SCIPY: Final = "scipy.signal.sosfiltfilt, the same result"


def main() -> None:
    """Time every record, print a table, and write JSON if asked for."""
    parser = arguments(__doc__, folder="folder with records", rounds=9)
    options = parser.parse_args()
    config = Config()
    of_records: dict[str, list[Times]] = {}
    for _, record in accepted(headers_in(options.folder), config):
        for name, times in in_turn(_stages(record, config), options.rounds).items():
            of_records.setdefault(name, []).append(times)
    if not of_records:
        raise SystemExit(f"{options.folder}: a build would leave out all its records")
    means = {name: _mean(records) for name, records in of_records.items()}
    rivals = {BANDPASS: SCIPY}
    rows = summary(means, "ms", rivals)
    print_summary("a record", rows, "ms", digits=3, rivals=rivals)
    stages = {
        name: {"records": len(of_records[name]), **row} for name, row in rows.items()
    }
    write_json(options.json, {"rounds": options.rounds, "a_record": stages})


def _mean(records: Sequence[Times]) -> Times:
    """Return the mean over the records of every round."""
    return Times(
        [*map(statistics.fmean, zip(*(each.wall for each in records), strict=True))],
        [*map(statistics.fmean, zip(*(each.cpu for each in records), strict=True))],
    )


def _stages(record: Record, config: Config) -> dict[str, Callable[[], object]]:
    """Return the stages that apply to a record, each with its own input."""
    signal, fs = record.signal, record.fs
    accepts = options_of(check, config)
    prepares = options_of(preprocess, config)
    longest_gap = whole_samples(config.max_gap_s, fs)
    window = first_seconds(signal, fs, config.duration_s)
    with_margin = first_seconds(signal, fs, config.duration_s + config.margin_s)
    filled = interpolate_gaps(with_margin, longest_gap)
    resampled = resample(filled, fs, config.fs)
    band = config.fs, config.low_hz, config.high_hz, config.filter_order
    filtered = bandpass(resampled, *band)
    theirs = _scipy_bandpass(resampled, *band)
    if not np.array_equal(filtered, theirs, equal_nan=True):
        raise SystemExit(f"{record.record_id}: the band-pass differs from SciPy's")
    cut, _ = cut_or_pad(filtered, config.n_samples)

    stages: dict[str, Callable[[], object]] = {
        "quality.check": lambda: check(window, fs, **accepts),
        "quality.measure": lambda: measure(window, fs),
        "interpolate_gaps": lambda: interpolate_gaps(with_margin, longest_gap),
    }
    if fs != config.fs:
        stages[f"resample {fs:g} -> {config.fs:g} Hz"] = lambda: resample(
            filled, fs, config.fs
        )
    return stages | {
        BANDPASS: lambda: bandpass(resampled, *band),
        SCIPY: lambda: _scipy_bandpass(resampled, *band),
        "cut_or_pad": lambda: cut_or_pad(filtered, config.n_samples),
        f"preprocess, all of it from {fs:g} Hz": lambda: preprocess(
            signal, fs, **prepares
        ),
        "to_int16": lambda: to_int16(cut),
    }


def _scipy_bandpass(
    signal: FloatArray, fs: float, low_hz: float, high_hz: float, order: int
) -> FloatArray:
    """Filter as `bandpass` does, with SciPy alone."""
    n_pad = min(round(fs / low_hz), signal.shape[1] - 1)
    filtered: FloatArray = scipy.signal.sosfiltfilt(
        _sections(fs, low_hz, high_hz, order), signal, padtype="even", padlen=n_pad
    )
    return filtered


@functools.cache
def _sections(fs: float, low_hz: float, high_hz: float, order: int) -> FloatArray:
    """Return the filter, designed once as in `bandpass`."""
    sections: FloatArray = scipy.signal.butter(
        order, [low_hz, high_hz], "bandpass", fs=fs, output="sos"
    )
    return sections


if __name__ == "__main__":
    main()
