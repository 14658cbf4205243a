"""Open, select from and load a store of many records: time and memory, with the goals.

Example::

    python -m bench.storage.large_store --rows 10000000 --scratch /tmp

Writes a store of random tables and of signals that are all zero and take no room on the
disk, and opens it anew in every round. Memory is what the process has more at its peak
than before, pages of the file included, which the system can take back. Goals are those
for ten million records. Needs Linux, whose /proc gives the memory of a process.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

import ecgstore
from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table, spread, spread_text
from bench.common.synthetic_store import FEATURE, SOURCES, make_store
from ecgstore import pipes
from ecgstore.pipes import Loader
from ecgstore.storage import Store

BATCH_SIZE: Final = 64

OPERATIONS: Final[dict[str, Callable[[Store], object]]] = {
    "open": lambda store: store,
    "select(folds=range(8))": lambda store: store.select(folds=range(8)),
    "select(sources=...)": lambda store: store.select(sources=SOURCES[2:4]),
    "select(classes=...)": lambda store: store.select(classes=["AF", "NSR"]),
    "age < 40 and fold != 9": lambda store: store.select(
        query="age < 40 and fold != 9"
    ),
    "sex == 'male' and age < 40": lambda store: store.select(
        query="sex == 'male' and age < 40"
    ),
    f"{FEATURE} > 90 and age < 40": lambda store: store.select(
        query=f"{FEATURE} > 90 and age < 40"
    ),
    "source == 'ptb-xl'": lambda store: store.select(query="source == 'ptb-xl'"),
    "dx.str.contains('12')": lambda store: store.select(query="dx.str.contains('12')"),
    "row(name)": lambda store: store.row(f"E{len(store) // 2:08d}"),
    "store[name]": lambda store: store[f"E{len(store) // 3:08d}"],
    "notebook": lambda store: store._repr_html_(),
}
"""What is done once with a store that was just opened."""

WHOLE: Final[dict[str, Callable[[Store], object]]] = {
    "groups()": lambda store: store.groups(),
    "column('record_id')": lambda store: store.column("record_id"),
    "labels('cinc2020')": lambda store: store.labels("cinc2020", dtype=np.bool_),
}
"""What needs all records."""

GOALS_MS: Final = {
    "open": 50,
    "select(folds=range(8))": 2000,
    "first batch, shuffled": 50,
    "resume": 50,
    "next epoch": 5,
}
GOAL_OPEN_MB: Final = 100
GOAL_STATE_BYTES: Final = 1000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write JSON if a path is given."""
    parser = benchmark_parser("bench.storage.large_store", __doc__, rounds=5)
    add_count(parser, "--rows", 1_000_000, "records of the store")
    add_count(parser, "--features", 64, "handcrafted features of the store")
    parser.add_argument("--whole", action="store_true", help="also what needs all rows")
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="FOLDER",
        help="folder on a disk that supports holes in files, with 500 bytes per row",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        path = Path(scratch) / "store.h5"
        begin = time.perf_counter()
        make_store(path, options.rows, options.features)
        print(f"{options.rows:,} rows written in {time.perf_counter() - begin:.1f} s\n")
        operations = OPERATIONS | (WHOLE if options.whole else {})
        report = _measured(path, operations, options.rounds)
    _print(report)
    write_json(options.json, {"rows": options.rows, "rounds": options.rounds, **report})


def _measured(
    path: Path, operations: dict[str, Callable[[Store], object]], rounds: int
) -> dict[str, Any]:
    """Return milliseconds and MB of every operation, and the bytes of a state."""
    times: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    for number in range(rounds + 1):  # the first fills caches
        if number == 1:
            times, memory = {}, {}
        for name, function in operations.items():
            with _peak(memory.setdefault(name, [])):
                begin = time.perf_counter()
                with ecgstore.open(path) as store:
                    if name != "open":
                        begin = time.perf_counter()
                    function(store)
                    times.setdefault(name, []).append(_ms_since(begin))
        with ecgstore.open(path) as store:
            state = _time_loader(store, times)
    return {
        "ms": {name: spread(values) for name, values in times.items()},
        "peak_mb": {name: spread(values) for name, values in memory.items()},
        "state_bytes": len(json.dumps(state)),
    }


def _time_loader(store: Store, times: dict[str, list[float]]) -> dict[str, Any]:
    """Time a loader of all records; return its state."""

    def note(name: str, begin: float) -> None:
        times.setdefault(name, []).append(_ms_since(begin))

    begin = time.perf_counter()
    loader = _loader(store)
    note("make a loader", begin)
    begin = time.perf_counter()
    loop = iter(loader)
    next(loop)
    note("first batch, shuffled", begin)
    state = loader.state_dict()
    loader.load_state_dict({**state, "consumed": len(store) - BATCH_SIZE})
    for _ in loader:  # the last batch of the epoch
        pass
    begin = time.perf_counter()
    iter(loader)
    note("next epoch", begin)
    loader.close()
    begin = time.perf_counter()
    other = _loader(store)
    other.load_state_dict(json.loads(json.dumps(state)))
    next(iter(other))
    note("resume", begin)  # the loader and the first batch included
    other.close()
    return state


def _loader(store: Store) -> Loader:
    """Return a loader of all records in a random order."""
    return pipes.loader(store, BATCH_SIZE, shuffle=True, seed=0)


@contextmanager
def _peak(values: list[float]) -> Iterator[None]:
    """Append the MB by which the memory of this process rises meanwhile."""
    before = _memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # from now on the peak is counted
    yield
    values.append(max(0.0, _memory_mb("VmHWM") - before))


def _memory_mb(name: str) -> float:
    """Return a line of /proc/self/status in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {name}")


def _ms_since(begin: float) -> float:
    """Return the milliseconds since a time."""
    return (time.perf_counter() - begin) * 1e3


def _print(report: dict[str, Any]) -> None:
    """Print every number with its goal."""
    goals = {name: f"<= {goal} ms" for name, goal in GOALS_MS.items()}
    goals["open"] += f", {GOAL_OPEN_MB} MB"
    memory = report["peak_mb"]
    rows = {
        name: [
            spread_text(milliseconds, 2),
            spread_text(memory[name], 0) if name in memory else "",
            goals.get(name, ""),
        ]
        for name, milliseconds in report["ms"].items()
    }
    rows["state, bytes of JSON"] = [
        str(report["state_bytes"]),
        "",
        f"< {GOAL_STATE_BYTES}",
    ]
    print_table("", ["ms, median (range)", "peak MB", "goal"], rows)


if __name__ == "__main__":
    main()
