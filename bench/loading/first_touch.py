"""Time epochs of a store that is opened with and without ``verify="first-touch"``.

Example::

    python -m bench.loading.first_touch data/challenge-2020/training --rows 4002

The Challenge records of the folder are repeated to a number of rows. Cold epochs begin
after the file has left the page cache. Rounds are interleaved, and the two epochs that
are compared follow each other directly, in turns: ratios of such pairs vary less on a
busy machine than the times do. Processor time leaves out the waiting for the disk.
Needs Linux and a scratch folder on a real disk.
"""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import ecgstore
from bench.common.page_cache import cached_fraction, drop_from_page_cache
from bench.common.report import write_json
from bench.common.tables import Spread, print_table, ratios, spread, spread_text
from bench.common.timing import Times, interleaved
from bench.loading.command_line import conditions, loading_parser, scratch_folder
from bench.loading.repeated_records import make_files
from bench.loading.workloads import BATCH_SIZE, SEED
from ecgstore import pipes

Verify = Literal["off", "first-touch"]

OPTIONS: Final[tuple[Verify, ...]] = ("off", "first-touch")

EPOCHS: Final[dict[str, tuple[bool, int]]] = {
    "cold": (True, 0),
    "warm": (False, 0),
    "second epoch": (False, 1),
}
"""Whether the file has left the page cache, and epochs that are not timed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write JSON if a path is given."""
    parser = loading_parser("bench.loading.first_touch", __doc__)
    options = parser.parse_args(arguments)
    with scratch_folder(options) as scratch:
        store = Path(make_files(options.folder, scratch, options.rows).store)
        times = _measure(store, options.rounds)
    results: dict[str, Any] = {}
    table = {}
    for (epoch, verify), measured in times.items():
        off = times[epoch, "off"]
        name = f"{epoch}, {verify}"
        results[name] = {
            "records_per_s": spread(options.rows / wall for wall in measured.wall),
            "cpu_us_per_record": spread(
                1e6 * seconds for seconds in measured.per_item(options.rows).cpu
            ),
            "percent_of_time_off": _percent(measured.wall, off.wall),
            "percent_of_cpu_off": _percent(measured.cpu, off.cpu),
        }
        table[name] = [
            spread_text(results[name][column], digits)
            for column, digits in zip(results[name], (0, 0, 1, 1), strict=True)
        ]
    print_table(
        f"epochs of batches of {BATCH_SIZE}, int16, {options.rows} rows",
        ["records/s", "CPU us/record", "% of the time when off", "% of its CPU time"],
        table,
    )
    write_json(options.json, {**conditions(options), "first_touch": results})


def _measure(store: Path, rounds: int) -> dict[tuple[str, Verify], Times]:
    """Return the seconds of an epoch in every round, by kind of epoch and option."""
    times = {key: Times([], []) for key in itertools.product(EPOCHS, OPTIONS)}
    orders = {epoch: itertools.cycle([OPTIONS, OPTIONS[::-1]]) for epoch in EPOCHS}
    for epoch, counts in interleaved([*EPOCHS], rounds):
        for verify in next(orders[epoch]):
            wall, cpu = _epoch(store, verify, *EPOCHS[epoch])
            if counts:
                times[epoch, verify].wall.append(wall)
                times[epoch, verify].cpu.append(cpu)
    return times


def _percent(values: Sequence[float], off: Sequence[float]) -> Spread:
    """Return the median and the range of the ratios of pairs, in percent."""
    return ratios([100 * value for value in values], off)


def _epoch(
    path: Path, verify: Verify, cold: bool, n_before: int
) -> tuple[float, float]:
    """Return the elapsed seconds and the seconds of processor time of one epoch."""
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
        wall, cpu = time.perf_counter(), time.process_time()
        _drain(loader)
        return time.perf_counter() - wall, time.process_time() - cpu


def _drain(loader: pipes.Loader) -> None:
    """Take every batch of an epoch; none is kept."""
    batches = iter(loader)
    while next(batches, None) is not None:
        pass


if __name__ == "__main__":
    main()
