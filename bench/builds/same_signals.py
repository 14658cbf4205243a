"""Find changed copies of real records by their signatures, and measure what it costs.

Example::

    python -m bench.builds.same_signals data/challenge-2020/training data/ludb

Every record is copied with every change of `copies`; for each change, the table shows
how many copies are found and how similar the least similar one is. Records are then
compared with one another: pairs that are found are listed, and the most similar one of
the others. Last, the time and the memory for many random signatures, of which every
tenth is a copy, and for signatures with equal keys.
"""

import resource
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from bench.common.command_line import parser_of
from bench.common.records import accepted_records, headers_in
from bench.common.report import write_json
from bench.common.tables import Spread, print_table, spread, spread_text
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.signals._same_signal_kernels import similarity
from ecgstore.signals._signature_kernels import STORED_RATE
from ecgstore.signals.same_signal import (
    MIN_OVERLAP_S,
    interpolation,
    same_signals,
    spread_memory,
)
from ecgstore.signals.signature import (
    N_STORED,
    signature,
    signature_array,
)

READ_S: Final = 13.0
"""Seconds of a record that are copied: those that a build reads."""

SIZES: Final = (1000, 10_000, 43_000, 1_000_000)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, and write JSON if a path is given."""
    parser = parser_of("bench.builds.same_signals", __doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders with records")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=SIZES, help="numbers of signatures"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results")
    options = parser.parse_args(arguments)

    names, signals = [], []
    for folder in options.folders:
        for path, record in accepted_records(headers_in(folder), Config()):
            n = round(READ_S * record.fs)
            names.append(f"{path.stem} of {folder.name}")
            signals.append((record.signal[:, :n].copy(), record.fs))
    originals, milliseconds = _timed_signatures(signals)
    print(f"{len(names)} records, {spread_text(milliseconds, 3)} ms a signature\n")
    report: dict[str, Any] = {"records": len(names), "signature_ms": milliseconds}
    report["changes"] = _changes(signals, originals)
    report["records_found"], report["others"] = _pairs(names, originals)
    report["many"] = {str(size): _many(size, originals) for size in options.sizes}
    print_table(
        "signatures",
        ["seconds", "with equal keys", "peak memory, MB"],
        {
            size: [f"{row['s']:.3f}", f"{row['equal_keys_s']:.3f}", f"{row['mb']:.0f}"]
            for size, row in report["many"].items()
        },
    )
    write_json(options.json, report)


def copies(signal: FloatArray, fs: float) -> Iterator[tuple[str, FloatArray, float]]:
    """Yield copies of a signal of at least 8 s: what was changed, signal and rate."""
    for to in (100, 250, 257, 400, 1000):
        yield f"{to} Hz", resampled(signal, fs, to), to
    yield "x 0.5", signal * 0.5, fs
    yield "x 1000", signal * 1000, fs
    yield "0.5-40 Hz", filtered(signal, fs), fs
    yield "5 uV", rounded(signal), fs
    for seconds in (1.0, 0.531, 0.017):
        n = round(seconds * fs)
        yield f"{seconds} s later", signal[:, n:], fs
        yield f"{seconds} s earlier", _earlier(signal, n), fs
    ten = signal[:, : round(10 * fs)]
    yield "first 10 s", ten, fs
    padded = np.zeros_like(ten)
    n = round(7 * fs)
    padded[:, :n] = ten[:, :n]
    yield "7 s, padded", padded, fs
    yield "7 s, padded, 0.5-40 Hz", filtered(padded, fs), fs
    yield "7 s, padded, 1 s later", padded[:, round(fs) :], fs
    low = rounded(filtered(resampled(signal, fs, 100), 100))
    yield "100 Hz, 0.5-40 Hz, 5 uV, x 1000, 0.7 s later", 1000 * low[:, 70:], 100
    odd = rounded(filtered(resampled(signal, fs, 257), 257))
    yield "257 Hz, 0.5-40 Hz, 5 uV, x 0.5, 0.9 s earlier", _earlier(odd / 2, 231), 257


def resampled(signal: FloatArray, fs: float, to: float) -> FloatArray:
    """Return a signal at another rate."""
    ratio = Fraction(to / fs).limit_denominator(10_000)
    result: FloatArray = scipy.signal.resample_poly(
        signal, ratio.numerator, ratio.denominator, axis=1
    )
    return result


def filtered(signal: FloatArray, fs: float) -> FloatArray:
    """Return a signal after the band-pass of a build."""
    sections = scipy.signal.butter(3, [0.5, 40], "bandpass", fs=fs, output="sos")
    result: FloatArray = scipy.signal.sosfiltfilt(sections, signal, axis=1)
    return result


def rounded(signal: FloatArray) -> FloatArray:
    """Return a signal in steps of 5 uV."""
    return np.round(signal / 0.005) * 0.005


def _earlier(signal: FloatArray, n: int) -> FloatArray:
    """Return a signal after `n` samples of another one that ends where it begins."""
    return np.concatenate([2 * signal[:, :1] - signal[:, n:0:-1], signal], axis=1)


def _timed_signatures(
    signals: Sequence[tuple[FloatArray, float]],
) -> tuple[list[bytes], Spread]:
    """Return the signatures, and the milliseconds that one takes."""
    signature(*signals[0])
    results, seconds = [], []
    for signal, fs in signals:
        begin = time.perf_counter()
        results.append(signature(signal, fs))
        seconds.append(time.perf_counter() - begin)
    return results, spread(1000 * value for value in seconds)


def _changes(
    signals: Sequence[tuple[FloatArray, float]], originals: list[bytes]
) -> dict[str, dict[str, float]]:
    """Return how many copies are found for each change; print them."""
    by_change: dict[str, list[bytes]] = {}
    for signal, fs in signals:
        for change, copy, rate in copies(np.nan_to_num(signal), fs):
            by_change.setdefault(change, []).append(signature(copy, rate))
    n = len(signals)
    n_ecgs = len(set(same_signals(signature_array(originals))))
    rows = {}
    for change, copied in by_change.items():
        both = signature_array([*originals, *copied])
        links = same_signals(both)
        rows[change] = {
            "found": int((links[:n] == links[n:]).sum()),
            "falsely_linked": n_ecgs - len(set(links[:n])),
            "least_similar": min(_similarity(both[i], both[n + i]) for i in range(n)),
        }
    print_table(
        "copies",
        [f"found of {n}", "other records linked", "least similarity"],
        {
            change: [
                f"{row['found']}",
                f"{row['falsely_linked']}",
                f"{row['least_similar']:.4f}",
            ]
            for change, row in rows.items()
        },
    )
    return rows


def _pairs(names: list[str], originals: list[bytes]) -> tuple[list[list[str]], Any]:
    """Return the pairs of records found, and the most similar of the other pairs."""
    rows = signature_array(originals)
    links = same_signals(rows)
    found = [[names[a], names[b]] for b, a in enumerate(links) if a != b]
    for one, other in found:
        print(f"the same ECG: {one}, {other}")
    keys = [set(row["keys"][row["places"] != 65535]) for row in rows]
    others = sorted(
        (
            (_similarity(rows[a], rows[b]), names[a], names[b])
            for a in range(len(rows))
            for b in range(a)
            if links[a] != links[b] and keys[a] & keys[b]
        ),
        reverse=True,
    )
    print(f"{len(others)} other pairs share a key; the most similar: {others[:3]}\n")
    return found, others[:10]


def _similarity(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the largest similarity of two signatures, at the lags of equal keys."""
    is_equal = one["keys"][:, np.newaxis] == other["keys"]
    is_equal &= (one["places"] != 65535)[:, np.newaxis] & (other["places"] != 65535)
    lags = one["places"][:, np.newaxis].astype(int) - other["places"].astype(int)
    return max(
        (
            similarity(
                one["waves"],
                one["range"],
                other["waves"],
                other["range"],
                int(lag),
                interpolation(),
                round(MIN_OVERLAP_S * STORED_RATE),
                spread_memory(2, 1),
                np.empty(N_STORED, np.int32),
            )
            for lag in np.unique(lags[is_equal])
        ),
        default=0.0,
    )


def _many(n: int, originals: list[bytes]) -> dict[str, float]:
    """Return the seconds and the MB for many signatures."""
    rng = np.random.default_rng(n)
    rows = signature_array(originals)[rng.integers(0, len(originals), n)]
    rows["keys"] = rng.integers(0, 2**31, rows["keys"].shape)
    twins = rng.permutation(n)[: n // 10 * 2].reshape(2, -1)
    rows[twins[0]] = rows[twins[1]]
    begin = time.perf_counter()
    found = n - len(np.unique(same_signals(rows)))
    seconds = time.perf_counter() - begin
    if found < twins.shape[1]:
        raise SystemExit(f"{found} of {twins.shape[1]} copies were found")
    rows[:] = signature_array(originals[:1])
    begin = time.perf_counter()
    same_signals(rows)
    equal = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"s": seconds, "equal_keys_s": equal, "mb": peak}


if __name__ == "__main__":
    main()
