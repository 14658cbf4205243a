"""Time the report of a store or of a comparison, and the bytes of its file.

Example::

    python -m bench.reports.data_set_card challenge.h5 --json reports.json
    python -m bench.reports.data_set_card challenge.h5 --comparison comparison

In every round, `ecgstore report` is run as a process of its own, from its start to its
end, with the imports and the checksum of the store. Goals are those for the card of the
667 real records.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ecgstore
from bench.common.command_line import benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table, spread, spread_text

GOAL_SECONDS: Final = 30
GOAL_MB: Final = 5

CARD: Final = "card"
COMPARISON: Final = "comparison"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write JSON if a path is given."""
    parser = benchmark_parser("bench.reports.data_set_card", __doc__, rounds=3)
    parser.add_argument("store", type=Path, help="store whose card is made")
    parser.add_argument(
        "--comparison",
        type=Path,
        metavar="FOLDER",
        help="folder of a comparison, whose report is made too",
    )
    options = parser.parse_args(arguments)
    with ecgstore.open(options.store) as store:
        n_records, n_classes = len(store), len(store.label_names)
    reports = {CARD: options.store}
    if options.comparison is not None:
        reports[COMPARISON] = options.comparison
    measured = {name: _measured(path, options.rounds) for name, path in reports.items()}
    print(f"{n_records:,} records, {n_classes} classes\n")
    _print(measured)
    write_json(
        options.json,
        {
            "rounds": options.rounds,
            "records": n_records,
            "classes": n_classes,
            "reports": measured,
        },
    )


def _measured(reported: Path, rounds: int) -> dict[str, Any]:
    """Return seconds and bytes of a report."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.html"
        command = [sys.executable, "-m", "ecgstore", "report", str(reported)]
        for _ in range(rounds):
            out.unlink(missing_ok=True)
            begin = time.perf_counter()
            subprocess.run(
                [*command, "-o", str(out)], check=True, stdout=subprocess.DEVNULL
            )
            seconds.append(time.perf_counter() - begin)
        return {"seconds": spread(seconds), "bytes": out.stat().st_size}


def _print(measured: dict[str, dict[str, Any]]) -> None:
    """Print every number with its goal."""
    goals = {CARD: f"< {GOAL_SECONDS} s, < {GOAL_MB} MB"}
    rows = {
        name: [
            spread_text(one["seconds"], 1),
            f"{one['bytes'] / 1e6:.2f}",
            goals.get(name, ""),
        ]
        for name, one in measured.items()
    }
    print_table("", ["s, median (range)", "MB", "goal"], rows)


if __name__ == "__main__":
    main()
