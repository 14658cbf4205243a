"""Time ecgstore's reader against the wfdb library on real Challenge records.

Example::

    python -m bench.builds.reader data/challenge-2020/training --rounds 9

Both readers read the same records from the page cache and return float64 mV; nothing is
timed unless their signals agree.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import wfdb

from bench.common.command_line import benchmark_parser
from bench.common.records import headers_in
from bench.common.report import write_json
from bench.common.tables import print_time_rows, time_rows
from bench.common.timing import for_every_row, time_in_rounds
from ecgstore.record import LEADS
from ecgstore.sources import read_header, read_record, signal_sha256

MAX_DIFFERENCE_MV: Final = 1e-9

REFERENCES: Final = {
    "ecgstore.read_record": "wfdb.rdrecord",
    "ecgstore.read_header": "wfdb.rdheader",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare both readers, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.builds.reader", __doc__, folder="folder with Challenge records", rounds=9
    )
    options = parser.parse_args(arguments)
    results = _compare(headers_in(options.folder), options.rounds)
    write_json(options.json, {"rounds": options.rounds, "reader": results})


def _compare(headers: Sequence[Path], rounds: int) -> dict[str, Any]:
    """Compare the readers' signals, time both, print a table, return its numbers."""
    with tempfile.TemporaryDirectory() as scratch:
        names, n_corrected = _names_for_wfdb(headers, Path(scratch))
        difference = max(_difference(name) for name in names)
        print(
            f"Reader, {len(names)} records; {n_corrected} have '.mat' in the record's "
            "name, which wfdb cannot parse:\nboth read copies of them without it. "
            f"Largest difference of the signals: {difference:g} mV."
        )
        if not difference <= MAX_DIFFERENCE_MV:
            raise SystemExit("the readers disagree, so nothing was timed")
        times = time_in_rounds(_functions(names), rounds)
    per_record = {name: seconds.per_item(len(names)) for name, seconds in times.items()}
    rows = time_rows(per_record, "us", REFERENCES)
    print_time_rows("a record", rows, "us", digits=0, references=REFERENCES)
    return {
        "records": len(names),
        "largest_difference_mv": difference,
        "a_record": rows,
    }


def _names_for_wfdb(headers: Sequence[Path], scratch: Path) -> tuple[list[str], int]:
    """Return the records' paths without .hea, and how many are corrected copies."""
    names = []
    n_corrected = 0
    for header in headers:
        text = header.read_text(encoding="utf-8")
        name = text.split(maxsplit=1)[0]
        if not name.endswith(".mat"):
            names.append(os.fspath(header.with_suffix("")))
            continue
        n_corrected += 1
        copy = scratch / header.name
        corrected = text.replace(name, name.removesuffix(".mat"), 1)
        copy.write_text(corrected, encoding="utf-8")
        (scratch / name).symlink_to(header.resolve().with_suffix(".mat"))
        names.append(os.fspath(copy.with_suffix("")))
    return names, n_corrected


def _difference(name: str) -> float:
    """Return the largest difference in mV between the readers on one record."""
    reference = wfdb.rdrecord(name)
    if list(reference.sig_name) != list(LEADS):
        raise SystemExit(f"{name}: this comparison needs the leads {LEADS}")
    expected = reference.p_signal.T
    signal = read_record(f"{name}.hea").signal
    if not np.array_equal(np.isnan(signal), np.isnan(expected)):
        return np.inf
    return float(np.nanmax(np.abs(signal - expected), initial=0.0))


def _functions(names: Sequence[str]) -> dict[str, Callable[[], None]]:
    """Return the functions to time; each processes all records once."""
    paths = [f"{name}.hea" for name in names]
    signals = [read_record(path).signal for path in paths[:50]]
    return {
        "ecgstore.read_record": for_every_row(read_record, paths),
        "wfdb.rdrecord": for_every_row(wfdb.rdrecord, names),
        "ecgstore.read_header": for_every_row(read_header, paths),
        "wfdb.rdheader": for_every_row(wfdb.rdheader, names),
        "both files, bytes only": for_every_row(_read_bytes, names),
        "ecgstore.signal_sha256": for_every_row(
            signal_sha256, [signals[k % len(signals)] for k in range(len(names))]
        ),
    }


def _read_bytes(name: str) -> None:
    """Read both files of a record and discard them: the lower limit of any reader."""
    for ending in (".hea", ".mat"):
        handle = os.open(name + ending, os.O_RDONLY)
        os.read(handle, os.fstat(handle).st_size)
        os.close(handle)


if __name__ == "__main__":
    main()
