"""Time a build on real records: every step on its own, and whole builds.

Example::

    python -m bench.builds.throughput data/challenge-2020/training --records 60

The folder holds Challenge records. Steps run with the default options of a build. Whole
builds run in one process and are timed from the first header to the final file name:
one without beats, and one with beats on fewer records.
"""

import functools
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ecgstore
from bench.common.command_line import add_count, benchmark_parser
from bench.common.records import accepted_records, headers_in, options_for
from bench.common.report import write_json
from bench.common.tables import (
    print_table,
    print_time_rows,
    spread,
    spread_text,
    time_rows,
)
from bench.common.timing import for_every_row, time_in_rounds
from ecgstore.arrays import FloatArray
from ecgstore.beats import Beats, find_beats
from ecgstore.config import Config
from ecgstore.features import compute
from ecgstore.record import Record
from ecgstore.signals.preprocess import (
    Preprocessed,
    first_seconds,
    preprocess,
    to_int16,
    to_mv,
)
from ecgstore.signals.quality import check, measure
from ecgstore.sources import read_header, read_record, signal_sha256
from ecgstore.storage.format.integrity import row_checksum


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all tables, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.builds.throughput",
        __doc__,
        folder="folder with Challenge records",
        rounds=5,
    )
    add_count(parser, "--records", 60, "records for the steps and the build with beats")
    options = parser.parse_args(arguments)
    headers = headers_in(options.folder)
    evenly_spaced = headers[:: math.ceil(len(headers) / options.records)]
    records = [*accepted_records(evenly_spaced, Config())]
    if not records:
        raise SystemExit(f"{options.folder}: a build would leave out all its records")
    times = time_in_rounds(_steps(records, Config()), options.rounds)
    rows = time_rows(
        {name: seconds.per_item(len(records)) for name, seconds in times.items()}, "ms"
    )
    print(f"Steps of a build, {len(records)} records")
    print_time_rows("a record", rows, "ms", digits=2)
    results = {
        "rounds": options.rounds,
        "stages": {"records": len(records), "a_record": rows},
        "builds": _time_builds(options.folder, options.records, options.rounds),
    }
    write_json(options.json, results)


def _steps(
    accepted: Sequence[tuple[Path, Record]], config: Config
) -> dict[str, Callable[[], None]]:
    """Return a function for every step that runs it on all records, input prepared."""
    headers = [path for path, _ in accepted]
    records = [record for _, record in accepted]
    signals = [record.signal for record in records]
    rates = [record.fs for record in records]
    windows = [
        first_seconds(signal, fs, config.duration_s)
        for signal, fs in zip(signals, rates, strict=True)
    ]
    filtered_s = config.duration_s + config.margin_s
    check_options, preprocess_options, beat_options = (
        options_for(step, config) for step in (check, preprocess, find_beats)
    )

    def prepare(signal: FloatArray, fs: float) -> Preprocessed:
        return preprocess(signal, fs, **preprocess_options)

    def detect(signal: FloatArray) -> Beats:
        return find_beats(signal, config.fs, **beat_options)

    prepared = [prepare(signal, fs) for signal, fs in zip(signals, rates, strict=True)]
    counts = [to_int16(result.signal)[0] for result in prepared]
    stored = [
        to_mv(row)[:, : result.n_real_samples].astype(np.float64)
        for row, result in zip(counts, prepared, strict=True)
    ]
    beats = [detect(signal) for signal in stored]
    return {
        "scan: read_header": for_every_row(read_header, headers),
        "scan: read_record": for_every_row(read_record, headers),
        "scan: quality.check": for_every_row(
            functools.partial(check, **check_options), windows, rates
        ),
        "scan: signal_sha256": for_every_row(signal_sha256, signals),
        "fill: read_record, the filtered part": for_every_row(
            lambda path, fs: read_record(path, max_samples=math.ceil(filtered_s * fs)),
            headers,
            rates,
        ),
        "fill: preprocess": for_every_row(prepare, signals, rates),
        "fill: to_int16": for_every_row(
            to_int16, [result.signal for result in prepared]
        ),
        "fill: row_checksum": for_every_row(row_checksum, counts),
        "fill: quality.measure": for_every_row(measure, windows, rates),
        "fill: find_beats": for_every_row(detect, stored),
        "fill: features": for_every_row(
            lambda signal, beats_of_record: compute(
                signal, beats_of_record, config.fs, config.rr_convention
            ),
            stored,
            beats,
        ),
    }


def _time_builds(folder: Path, n_with_beats: int, rounds: int) -> dict[str, Any]:
    """Time whole builds in one process; print and return records per second."""
    configs = {
        "without beats": Config(select="all", beats="none"),
        "with beats": Config(select="all", limit=n_with_beats),
    }
    n_stored: dict[str, int] = {}

    def build(name: str) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch, "out.h5")
            report = ecgstore.build_store(
                [folder], out, configs[name], n_workers=1, quiet=True
            )
        n_stored[name] = report.n_selected

    times = time_in_rounds(
        {name: functools.partial(build, name) for name in configs}, rounds
    )
    speeds = {
        name: spread(n_stored[name] / seconds for seconds in build_times.wall)
        for name, build_times in times.items()
    }
    print_table(
        "whole builds on one core",
        ["records", "records/s, median (range)"],
        {name: [str(n_stored[name]), spread_text(speeds[name], 1)] for name in speeds},
    )
    return {
        name: {"records": n_stored[name], "records_per_second": speeds[name]}
        for name in configs
    }


if __name__ == "__main__":
    main()
