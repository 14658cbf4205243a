"""Time a build that divides a long record into windows.

Example::

    python -m bench.builds.windows data/challenge-2020/training

The beginnings of the folder's records are resampled to 257 Hz, the rate of the St
Petersburg records, and joined to one record of 30 minutes. A store is built of it in
windows of 10 s, and one of the same samples as records of 10 s, both with beats and
features, in one process, from files that are written before.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

import numpy as np

import ecgstore
from bench.common.command_line import add_count, benchmark_parser
from bench.common.records import accepted_records, headers_in
from bench.common.report import write_json
from bench.common.tables import print_table, spread, spread_text
from bench.common.timing import time_in_rounds
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.record import LEADS
from ecgstore.signals.preprocess import first_seconds
from ecgstore.signals.resampling import resample

_FS: Final = 257.0
_WINDOW_S: Final = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Build both stores, print a table, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.builds.windows",
        __doc__,
        folder="folder with Challenge records",
        rounds=5,
    )
    add_count(parser, "--minutes", 30, "length of the long record")
    options = parser.parse_args(arguments)
    n_windows = options.minutes * 60 // _WINDOW_S
    windows = _windows_of(options.folder, n_windows)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch, name) for name in ("one record", "records")}
        _write(folders["one record"], "long", np.concatenate(windows, axis=1))
        for number, window in enumerate(windows):
            _write(folders["records"], f"{number:05d}", window)
        config = Config(select="all", windows=f"every={_WINDOW_S}s")

        def build(name: str) -> None:
            report = ecgstore.build_store(
                [folders[name]],
                Path(scratch, "out.h5"),
                config,
                n_workers=1,
                overwrite=True,
                quiet=True,
            )
            assert report.n_rows == n_windows

        times = time_in_rounds(
            {name: partial(build, name) for name in folders}, options.rounds
        )
    speeds = {
        name: {
            "windows_per_second": spread(n_windows / seconds for seconds in one.wall),
            "windows_per_cpu_second": spread(
                n_windows / seconds for seconds in one.cpu
            ),
        }
        for name, one in times.items()
    }
    print_table(
        f"{n_windows} windows of {_WINDOW_S} s at {_FS:g} Hz, one core",
        ["windows/s, median (range)", "windows per s of the processor"],
        {
            name: [spread_text(value, 1) for value in speed.values()]
            for name, speed in speeds.items()
        },
    )
    write_json(
        options.json,
        {"rounds": options.rounds, "windows": n_windows, "builds": speeds},
    )


def _windows_of(folder: Path, n_windows: int) -> list[FloatArray]:
    """Return the first 10 s of records at 257 Hz, in mV."""
    windows = []
    for _, record in accepted_records(headers_in(folder), Config()):
        signal = first_seconds(record.signal, record.fs, _WINDOW_S)
        if np.isfinite(signal).all() and signal.shape[1] >= _WINDOW_S * record.fs:
            whole = resample(signal, record.fs, _FS)[:, : round(_WINDOW_S * _FS)]
            windows.append(whole - np.median(whole, axis=1, keepdims=True))
        if len(windows) == n_windows:
            break
    if not windows:
        raise SystemExit(f"{folder}: no record of {_WINDOW_S} s without gaps")
    return [window for window, _ in zip(cycle(windows), range(n_windows), strict=False)]


def _write(folder: Path, name: str, signal: FloatArray) -> None:
    """Write a WFDB record of 16-bit samples of 1 uV."""
    folder.mkdir(exist_ok=True)
    counts = np.clip(np.rint(signal * 1000), -32767, 32767).astype("<i2")
    counts.T.tofile(folder / f"{name}.dat")
    lines = [f"{name} {len(LEADS)} {_FS:g} {counts.shape[1]}"]
    lines += [f"{name}.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
