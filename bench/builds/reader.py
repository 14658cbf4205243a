"""Time ecgstore's reader against the wfdb library on real Challenge records.

::

    python -m bench.builds.reader FOLDER [--rounds N] [--json PATH]

Both readers get the same records, from the page cache, and return float64 mV. Their
outputs are compared before anything is timed.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import wfdb

from bench.common.measuring import (
    arguments,
    in_turn,
    over,
    print_summary,
    summary,
    write_json,
)
from bench.common.records import headers_in
from ecgstore.record import LEADS
from ecgstore.sources import read_header, read_record, signal_sha256

MAX_DIFFERENCE_MV: Final = 1e-9

RIVALS: Final = {
    "ecgstore.read_record": "wfdb.rdrecord",
    "ecgstore.read_header": "wfdb.rdheader",
}


def main() -> None:
    """Compare both readers, and write JSON if asked for."""
    parser = arguments(__doc__, folder="folder with Challenge records", rounds=9)
    options = parser.parse_args()
    results = compare_readers(headers_in(options.folder), options.rounds)
    write_json(options.json, {"rounds": options.rounds, "reader": results})


def compare_readers(headers: Sequence[Path], rounds: int) -> dict[str, Any]:
    """Compare the readers' signals, time both, print a table, return its numbers."""
    with tempfile.TemporaryDirectory() as scratch:
        names, n_mended = _for_wfdb(headers, Path(scratch))
        difference = max(_difference(name) for name in names)
        print(
            f"Reader, {len(names)} records; {n_mended} have '.mat' in the record's "
            "name, which wfdb cannot parse:\nboth read copies of them without it. "
            f"Largest difference of the signals: {difference:g} mV."
        )
        if not difference <= MAX_DIFFERENCE_MV:
            raise SystemExit("the readers disagree, so nothing was timed")
        times = in_turn(_contestants(names), rounds)
    each = {name: of_all.each(len(names)) for name, of_all in times.items()}
    rows = summary(each, "us", RIVALS)
    print_summary("a record", rows, "us", digits=0, rivals=RIVALS)
    return {
        "records": len(names),
        "largest_difference_mv": difference,
        "a_record": rows,
    }


def _for_wfdb(headers: Sequence[Path], scratch: Path) -> tuple[list[str], int]:
    """Return every record's path without .hea, as wfdb wants it, and n of copies."""
    names = []
    n_mended = 0
    for header in headers:
        text = header.read_text(encoding="utf-8")
        name = text.split(maxsplit=1)[0]
        if not name.endswith(".mat"):
            names.append(os.fspath(header.with_suffix("")))
            continue
        n_mended += 1
        copy = scratch / header.name
        mended = text.replace(name, name.removesuffix(".mat"), 1)
        copy.write_text(mended, encoding="utf-8")
        (scratch / name).symlink_to(header.resolve().with_suffix(".mat"))
        names.append(os.fspath(copy.with_suffix("")))
    return names, n_mended


def _difference(name: str) -> float:
    """Return the largest difference in mV between the readers on one record."""
    theirs = wfdb.rdrecord(name)
    if list(theirs.sig_name) != list(LEADS):
        raise SystemExit(f"{name}: this comparison needs the leads {LEADS}")
    ours = read_record(f"{name}.hea").signal
    if not np.array_equal(np.isnan(ours), np.isnan(theirs.p_signal.T)):
        return np.inf
    return float(np.nanmax(np.abs(ours - theirs.p_signal.T), initial=0.0))


def _contestants(names: Sequence[str]) -> dict[str, Callable[[], None]]:
    """Return what to time; each goes once over all records."""
    paths = [f"{name}.hea" for name in names]
    signals = [read_record(path).signal for path in paths[:50]]
    return {
        "ecgstore.read_record": over(read_record, paths),
        "wfdb.rdrecord": over(wfdb.rdrecord, names),
        "ecgstore.read_header": over(read_header, paths),
        "wfdb.rdheader": over(wfdb.rdheader, names),
        "both files, bytes only": over(_read_bytes, names),
        "ecgstore.signal_sha256": over(
            signal_sha256, [signals[k % len(signals)] for k in range(len(names))]
        ),
    }


def _read_bytes(name: str) -> None:
    """Read both files of a record and do nothing with them: the floor."""
    for ending in (".hea", ".mat"):
        handle = os.open(name + ending, os.O_RDONLY)
        os.read(handle, os.fstat(handle).st_size)
        os.close(handle)


if __name__ == "__main__":
    main()
