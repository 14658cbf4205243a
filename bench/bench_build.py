"""Time a build on real records: every stage alone, then whole builds on one core.

::

    python bench/bench_build.py FOLDER [--rounds N] [--json PATH]

FOLDER holds Challenge records. A whole build without beats is timed from the first
header to the final name, in one process; so is one with beats, on fewer records.
"""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import arguments, in_turn, machine, shown, spread, write_json

import ecgstore
from ecgstore.config import Config
from ecgstore.features import compute, find_beats
from ecgstore.record import Record
from ecgstore.signals.preprocess import (
    Preprocessed,
    first_seconds,
    preprocess,
    to_int16,
    to_mv,
)
from ecgstore.signals.quality import check, measure
from ecgstore.sources import find_headers, read_header, read_record, signal_sha256
from ecgstore.storage.integrity import row_checksum

N_FOR_STAGES = 60
N_FOR_BEATS = 60


def main() -> None:
    """Print both tables, and write JSON if asked for."""
    options = arguments(__doc__ or "", rounds=5).parse_args()
    headers = list(find_headers(options.folder))
    if not headers:
        raise SystemExit(f"{options.folder} has no records")
    step = max(1, len(headers) // N_FOR_STAGES)
    stages = _stages(headers[::step])
    seconds = in_turn(stages, options.rounds)
    n_stages = len(headers[::step])
    rows = {
        name: spread([1e3 * each / n_stages for each in of_stage])
        for name, of_stage in seconds.items()
    }
    print(f"{'ms a record (' + str(n_stages) + ' records)':44}{'median (range)':>24}")
    for name, row in rows.items():
        print(f"{name:44}{shown(row):>24}")
    builds = _builds(options.folder, options.rounds)
    print(f"{'records/s of a whole build, one core':44}{'median (range)':>24}")
    for name, row in builds.items():
        print(f"{name:44}{shown(row, 0):>24}")
    report = machine("h5py", "neurokit2", "numba", "scipy")
    report |= {
        "rounds": options.rounds,
        "records": len(headers),
        "stages": {"records": n_stages, "ms_a_record": rows},
        "builds": {"records_per_second": builds},
    }
    write_json(options.json, report)


def _stages(headers: list[Path]) -> dict[str, Callable[[], object]]:
    """Return every stage as work on all records, each with its own input ready."""
    records = [read_record(path) for path in headers]
    windows = [first_seconds(each.signal, each.fs, 10.0) for each in records]
    prepared = [_preprocess(each) for each in records]
    counts = [to_int16(each.signal)[0] for each in prepared]
    signals = [
        to_mv(each)[:, : one.n_real_samples].astype(np.float64)
        for each, one in zip(counts, prepared, strict=True)
    ]
    beats = [find_beats(each, 500.0, max_beats=50) for each in signals]
    accepted: dict[str, Any] = {
        "min_duration_s": 2.0,
        "max_gap_s": 0.1,
        "reject_flat_leads": False,
        "max_clipped_fraction": 1.0,
    }

    def each_of(function: Callable[..., object], *columns: list[Any]) -> object:
        return [function(*values) for values in zip(*columns, strict=True)]

    rates = [each.fs for each in records]
    stage = functools.partial(functools.partial, each_of)
    return {
        "scan: read_header": stage(read_header, headers),
        "scan, fill: read_record": stage(read_record, headers),
        "scan: quality.check": stage(
            lambda window, fs: check(window, fs, **accepted), windows, rates
        ),
        "scan: signal_sha256": stage(
            signal_sha256, [record.signal for record in records]
        ),
        "fill: preprocess": stage(_preprocess, records),
        "fill: to_int16": stage(to_int16, [each.signal for each in prepared]),
        "fill: row_checksum": stage(row_checksum, counts),
        "fill: quality.measure": stage(measure, windows, rates),
        "fill: find_beats (NeuroKit2)": stage(
            lambda signal: find_beats(signal, 500.0, max_beats=50), signals
        ),
        "fill: features": stage(
            lambda signal, found: compute(signal, found, 500.0, "neurokit"),
            signals,
            beats,
        ),
    }


def _preprocess(record: Record) -> Preprocessed:
    """Preprocess a record with the default options."""
    config = Config()
    return preprocess(
        record.signal,
        record.fs,
        fs_out=config.fs,
        duration_s=config.duration_s,
        margin_s=config.margin_s,
        low_hz=config.low_hz,
        high_hz=config.high_hz,
        order=config.filter_order,
        max_gap_s=config.max_gap_s,
    )


def _builds(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return the records a second of whole builds, all records of the folder."""
    n_stored: dict[str, int] = {}

    def build(name: str, config: Config) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            report = ecgstore.build_store(
                [folder], Path(scratch, "out.h5"), config, n_workers=1, quiet=True
            )
        n_stored[name] = report.n_selected

    contestants = {
        name: functools.partial(build, name, config)
        for name, config in {
            "without beats": Config(select="all", beats=False),
            "with beats": Config(select="all", limit=N_FOR_BEATS),
        }.items()
    }
    seconds = in_turn(contestants, rounds)
    return {
        name: spread([n_stored[name] / each for each in of_build])
        for name, of_build in seconds.items()
    }


if __name__ == "__main__":
    main()
