"""What both commands that time loaders have: options, conditions, scratch folder."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.common.measuring import add_count, arguments, machine
from bench.loading.workloads import BATCH_SIZE


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of both."""
    parser = arguments(description, folder="folder with Challenge records", rounds=7)
    add_count(parser, "--rows", 8_004, "rows that the records are repeated to")
    parser.add_argument(
        "--scratch", type=Path, help="folder that keeps the rows for the next run"
    )
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw results here")
    return parser


def conditions(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the numbers depend on, or end the program where it cannot run."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise SystemExit(
            "no /proc/self/smaps_rollup: expected Linux, which tells there what "
            "processes take; run this on Linux"
        )
    return {
        **machine("torch", "torchdata"),
        "rounds": options.rounds,
        "batch_size": BATCH_SIZE,
        "rows": options.rows,
    }


@contextmanager
def scratch_folder(options: argparse.Namespace) -> Iterator[Path]:
    """Give the folder that was asked for, or one that is removed afterwards."""
    if options.scratch is not None:
        yield options.scratch
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)
