"""Time a build on real records: every stage alone, whole builds, and two comparisons.

::

    python -m bench.builds.whole FOLDER [--records N] [--series N] [--rounds N]
        [--json PATH]

FOLDER holds Challenge records. All stages run with the default options of a build. A
whole build without beats is timed from the first header to the final name, in one
process; so is one with beats, on fewer records. The reader is compared with wfdb's, the
RR features with NeuroKit2's.
"""

import functools
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ecgstore
from bench.builds.features import compare_rr
from bench.builds.reader import compare_readers
from bench.common.measuring import (
    add_count,
    arguments,
    in_turn,
    over,
    print_summary,
    print_table,
    shown,
    spread,
    summary,
    write_json,
)
from bench.common.records import accepted, headers_in, options_of
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


def main() -> None:
    """Print all tables, and write JSON if asked for."""
    parser = arguments(__doc__, folder="folder with Challenge records", rounds=5)
    add_count(parser, "--records", 60, "records for the stages and the beats")
    add_count(parser, "--series", 10_000, "random RR series to compare")
    options = parser.parse_args()
    headers = headers_in(options.folder)
    some = headers[:: math.ceil(len(headers) / options.records)]
    records = [*accepted(some, Config())]
    if not records:
        raise SystemExit(f"{options.folder}: a build would leave out all its records")
    times = in_turn(_stages(records, Config()), options.rounds)
    rows = summary(
        {name: of_all.each(len(records)) for name, of_all in times.items()}, "ms"
    )
    print(f"Stages of a build, {len(records)} records")
    print_summary("a record", rows, "ms", digits=2)
    results = {
        "rounds": options.rounds,
        "stages": {"records": len(records), "a_record": rows},
        "builds": _time_builds(options.folder, options.records, options.rounds),
        "reader": compare_readers(headers, options.rounds),
        "rr": compare_rr(options.series, options.rounds),
    }
    write_json(options.json, results)


def _stages(
    found: Sequence[tuple[Path, Record]], config: Config
) -> dict[str, Callable[[], None]]:
    """Return every stage as work on all records, each with its own input ready."""
    headers = [path for path, _ in found]
    records = [record for _, record in found]
    signals = [each.signal for each in records]
    rates = [each.fs for each in records]
    windows = [
        first_seconds(signal, fs, config.duration_s)
        for signal, fs in zip(signals, rates, strict=True)
    ]
    seen_s = config.duration_s + config.margin_s
    accepts, prepares, finds = (
        options_of(step, config) for step in (check, preprocess, find_beats)
    )

    def prepare(signal: FloatArray, fs: float) -> Preprocessed:
        return preprocess(signal, fs, **prepares)

    def find(signal: FloatArray) -> Beats:
        return find_beats(signal, config.fs, **finds)

    prepared = [prepare(each.signal, each.fs) for each in records]
    counts = [to_int16(each.signal)[0] for each in prepared]
    stored = [
        to_mv(each)[:, : one.n_real_samples].astype(np.float64)
        for each, one in zip(counts, prepared, strict=True)
    ]
    beats = [find(each) for each in stored]
    return {
        "scan: read_header": over(read_header, headers),
        "scan: read_record": over(read_record, headers),
        "scan: quality.check": over(
            functools.partial(check, **accepts), windows, rates
        ),
        "scan: signal_sha256": over(signal_sha256, signals),
        "fill: read_record, what the filter sees": over(
            lambda path, fs: read_record(path, max_samples=math.ceil(seen_s * fs)),
            headers,
            rates,
        ),
        "fill: preprocess": over(prepare, signals, rates),
        "fill: to_int16": over(to_int16, [each.signal for each in prepared]),
        "fill: row_checksum": over(row_checksum, counts),
        "fill: quality.measure": over(measure, windows, rates),
        "fill: find_beats": over(find, stored),
        "fill: features": over(
            lambda x, y: compute(x, y, config.fs, config.rr_convention), stored, beats
        ),
    }


def _time_builds(folder: Path, n_with_beats: int, rounds: int) -> dict[str, Any]:
    """Time whole builds on one core; print a table and return it."""
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

    times = in_turn({name: functools.partial(build, name) for name in configs}, rounds)
    speeds = {
        name: spread(n_stored[name] / seconds for seconds in of_builds.wall)
        for name, of_builds in times.items()
    }
    print_table(
        "whole builds on one core",
        ["records", "records/s, median (range)"],
        {name: [str(n_stored[name]), shown(speeds[name], 1)] for name in speeds},
    )
    return {
        name: {"records": n_stored[name], "records_per_second": speeds[name]}
        for name in configs
    }


if __name__ == "__main__":
    main()
