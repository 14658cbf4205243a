"""Options, conditions and scratch folder of the commands that time loaders."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import machine
from bench.loading.workloads import BATCH_SIZE


def loading_parser(
    program: str,
    documentation: str | None,
    *,
    rows: int = 8_004,
    rounds: int = 7,
    plots: bool = True,
) -> argparse.ArgumentParser:
    """Return a parser with the options that these commands share."""
    parser = benchmark_parser(
        program, documentation, folder="folder with Challenge records", rounds=rounds
    )
    add_count(parser, "--rows", rows, "number of rows, made by repeating the records")
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="FOLDER",
        help="folder that keeps the rows for the next run",
    )
    if plots:
        parser.add_argument(
            "--plot", type=Path, metavar="PATH", help="write a plot here"
        )
    return parser


def conditions(options: argparse.Namespace) -> dict[str, Any]:
    """Return the machine and the options that the results depend on.

    Raises
    ------
    SystemExit
        On other systems than Linux.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        raise SystemExit(
            "no /proc/self/smaps_rollup, which holds the memory of a process; "
            "expected Linux"
        )
    return {
        **machine("torch", "torchdata"),
        "rounds": options.rounds,
        "batch_size": BATCH_SIZE,
        "rows": options.rows,
    }


@contextmanager
def scratch_folder(options: argparse.Namespace) -> Iterator[Path]:
    """Return the folder of --scratch, or one that is removed afterwards."""
    if options.scratch is not None:
        yield options.scratch
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)
