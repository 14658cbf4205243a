"""Time epochs of a store that is opened with and without ``verify="first-touch"``.

Example::

    python -m bench.loading.first_touch data/challenge-2020/training --rows 4002

The Challenge records of the folder are repeated to a number of rows. Cold epochs begin
after the file has left the page cache. Rounds are interleaved. Needs Linux and a
scratch folder on a real disk.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import ecgstore
from bench.common.page_cache import cached_fraction, drop_from_page_cache
from bench.common.report import write_json
from bench.common.tables import print_table, ratios, spread, spread_text
from bench.common.timing import interleaved
from bench.loading.command_line import conditions, loading_parser, scratch_folder
from bench.loading.repeated_records import make_files
from bench.loading.workloads import BATCH_SIZE, SEED
from ecgstore import pipes

Verify = Literal["off", "first-touch"]

EPOCHS: Final[dict[str, tuple[Verify, bool, int]]] = {
    "cold, off": ("off", True, 0),
    "cold, first-touch": ("first-touch", True, 0),
    "warm, off": ("off", False, 0),
    "warm, first-touch": ("first-touch", False, 0),
    "second epoch, off": ("off", False, 1),
    "second epoch, first-touch": ("first-touch", False, 1),
}
"""Option, whether the file has left the page cache, and epochs that are not timed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write JSON if a path is given."""
    parser = loading_parser("bench.loading.first_touch", __doc__)
    options = parser.parse_args(arguments)
    with scratch_folder(options) as scratch:
        store = Path(make_files(options.folder, scratch, options.rows).store)
        seconds: dict[str, list[float]] = {name: [] for name in EPOCHS}
        for name, counts in interleaved([*EPOCHS], options.rounds):
            elapsed = _epoch(store, *EPOCHS[name])
            if counts:
                seconds[name].append(elapsed)
    results: dict[str, Any] = {}
    table = {}
    for name, walls in seconds.items():
        off = seconds[f"{name.rpartition(', ')[0]}, off"]
        results[name] = {
            "records_per_s": spread(options.rows / wall for wall in walls),
            "percent_of_time_off": ratios([100 * wall for wall in walls], off),
        }
        table[name] = [
            spread_text(results[name]["records_per_s"], 0),
            spread_text(results[name]["percent_of_time_off"], 1),
        ]
    heading = f"epochs of batches of {BATCH_SIZE}, int16, {options.rows} rows"
    print_table(heading, ["records/s", "% of the time when off"], table)
    write_json(options.json, {**conditions(options), "first_touch": results})


def _epoch(path: Path, verify: Verify, cold: bool, n_before: int) -> float:
    """Return the seconds of one epoch."""
    if cold:
        drop_from_page_cache(path)
        if cached_fraction(path) > 0.01:
            raise SystemExit(
                f"{path}: stays in the page cache; expected a scratch folder on a disk"
            )
    with ecgstore.open(path, verify=verify) as store:
        loader = pipes.loader(store, BATCH_SIZE, shuffle=True, seed=SEED, dtype="int16")
        for _ in range(n_before):
            _drain(loader)
        began = time.perf_counter()
        _drain(loader)
        return time.perf_counter() - began


def _drain(loader: pipes.Loader) -> None:
    """Take every batch of an epoch; none is kept."""
    batches = iter(loader)
    while next(batches, None) is not None:
        pass


if __name__ == "__main__":
    main()
