"""The signature of a signal: its definition in NumPy, and what changes no byte."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.record import LEADS, Record
from ecgstore.signals.signature import SIGNATURE, signature, signature_array
from ecgstore.sources import find_headers, read_record


@pytest.fixture(scope="module")
def records(dozen_records: Path) -> list[Record]:
    return [read_record(path) for path in find_headers(dozen_records)]


def splitmix64_signs(n: int) -> IntArray:
    signs, state, mask = [], 0, 2**64 - 1
    for _ in range(n):
        state = state + 0x9E3779B97F4A7C15 & mask
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        signs.append(1 if (z ^ z >> 31) >> 63 else -1)
    return np.array(signs)


SIGNS = splitmix64_signs(300 * 31).reshape(300, 31)


def roots_of(d: IntArray, top: int) -> IntArray:
    size = np.rint(top * np.sqrt(np.abs(d) / np.abs(d).max())).astype(np.int64)
    signed: IntArray = np.sign(d) * size
    return signed


def by_definition(signal: FloatArray, fs: float) -> np.ndarray[Any, Any]:
    """Compute the signature of a signal without gaps, step by step, in NumPy."""
    lead = dict(zip(LEADS, signal[:, : math.ceil(10 * fs)], strict=True))
    channels = np.array([lead["II"] - lead["V2"], lead["I"] + lead["V4"]])
    channels -= channels[:, :1]
    counts = np.rint(
        channels * 2.0 ** (25 - math.frexp(np.abs(channels).max())[1])
    ).astype(np.int64)
    sums = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    step = round(fs / 200 * 2**20)
    n = min(2000, (counts.shape[1] << 20) // step)
    whole, part = np.divmod(np.arange(n + 1) * step, 2**20)
    ahead = np.pad(counts, ((0, 0), (0, 1)))[:, whole]
    y = np.diff(sums[:, whole] + (ahead * part >> 20), axis=1)
    for length in (8, 7):
        y = sliding_window_view(y, length, axis=1).sum(axis=2)
    d = 2 * y[:, 8:-8] - y[:, :-16] - y[:, 16:]
    a = roots_of(d, 4095)
    n = a.shape[1]

    size = np.abs(a).max(axis=0)
    heights = sorted(int(size[k : k + 200].max()) for k in range(0, n, 200))
    active = np.flatnonzero(6 * size >= heights[-3]).tolist()
    begin, end = active[0], active[-1] + 1
    begin += 40 if begin else 0
    end -= 40 if end < n else 0

    energy = np.zeros(n, np.int64)
    energy[4:-4] = sliding_window_view((a**2).sum(axis=0), 9).sum(axis=1)
    around = sliding_window_view(np.pad(energy, 40), 81).max(axis=1)
    marks = []
    for i in np.flatnonzero((energy == around) & (energy > 0)).tolist():
        earliest = energy[max(i - 40, 0) : i + 41].argmax() + max(i - 40, 0)
        if earliest == i and 0 < i < n - 1:
            before, here, after = (int(energy[i + k]) for k in (-1, 0, 1))
            marks.append(16 * i + 8 * (after - before) // (2 * here - before - after))

    result = np.zeros((), SIGNATURE)
    result["places"] = 65535
    fours = sliding_window_view(a, 4, axis=1).sum(axis=2)
    for direction, offset in enumerate((16 * 50, -16 * 650)):
        inside = [
            mark
            for mark in marks
            if (mark + offset) // 16 >= begin and (mark + offset) // 16 + 601 <= end
        ]
        inside.sort(key=lambda mark: (-energy[(mark + 8) // 16], mark))
        for number, mark in enumerate(inside[:8]):
            first, sixteenths = divmod(mark + offset, 16)
            at = first + 4 * np.arange(150)
            values = (16 - sixteenths) * fours[:, at] + sixteenths * fours[:, at + 1]
            bits = values.reshape(-1) @ SIGNS > 0
            key = int("".join(map(str, [direction, *bits.astype(int)])), 2)
            result["keys"][8 * direction + number] = key
            result["places"][8 * direction + number] = mark
    waves = roots_of(d, 127)[:, ::4]
    result["waves"][:, : waves.shape[1]] = waves
    result["range"] = -(-begin // 4), -(-end // 4)
    return result


def test_signature_is_its_definition(records: list[Record]) -> None:
    for number, record in enumerate(records):
        # Several lengths, and rates with and without fractions.
        fs = (500.0, 257.0, 100.0, 128.0, 640.0)[number % 5]
        n = record.signal.shape[1] - 150 * number
        signal = record.signal[:, :n].copy()
        if number % 3 == 0:
            signal[:, -n // 5 :] = 0
        text = signature(signal, fs)
        assert text
        [found] = signature_array([text])
        expected = by_definition(signal, fs)
        for name in SIGNATURE.names or ():
            np.testing.assert_array_equal(found[name], expected[name], name)


def test_powers_of_two_and_offsets_change_no_byte(records: list[Record]) -> None:
    for record in records[:4]:
        expected = signature(record.signal, record.fs)
        assert len(expected) == SIGNATURE.itemsize
        assert signature(record.signal * 0.5, record.fs) == expected
        assert signature(record.signal * 2.0**700, record.fs) == expected
        counts = np.rint(record.signal * 1024) / 1024
        offsets = np.arange(12.0)[:, np.newaxis]
        assert signature(counts + offsets, record.fs) == signature(counts, record.fs)


def test_missing_samples_get_the_value_before(records: list[Record]) -> None:
    signal = records[0].signal[:, :5000].copy()
    holes, held = signal.copy(), signal.copy()
    holes[:, 700:720], held[:, 700:720] = np.nan, signal[:, 699:700]
    holes[:, :9], held[:, :9] = np.nan, signal[:, 9:10]
    holes[1, 2000] = np.inf
    held[1, 2000] = signal[1, 1999] - signal[7, 1999] + signal[7, 2000]
    found, expected = signature_array([signature(holes, 500), signature(held, 500)])
    np.testing.assert_allclose(found["waves"], expected["waves"], atol=1)
    np.testing.assert_array_equal(found["keys"], expected["keys"])


@pytest.mark.parametrize("n", [0, 1, 40, 1200])
def test_short_records_have_none(n: int, records: list[Record]) -> None:
    assert signature(records[0].signal[:, :n], 500) == b""


def test_signals_without_change_have_none() -> None:
    ramp = np.linspace(0, 7, 5000) * np.ones((12, 1))
    for signal in (0 * ramp, 0 * ramp + 0.3, np.nan * ramp, ramp):
        for fs in (500.0, 257.0):
            assert signature(signal, fs) == b""


def test_values_of_any_size_are_no_error(records: list[Record]) -> None:
    signal = records[0].signal[:, :5000]
    for scale in (2.0**-1040, 1e-300, 1e307, 1e308):
        signature(signal * scale, 500)
    extreme = np.full((12, 5000), np.inf)
    extreme[:6] *= -1
    assert signature(extreme, 500) == b""
    extreme[:, ::2] = 1e308 * np.sign(extreme[:, ::2])
    assert signature(extreme, 500) == b""


@pytest.mark.parametrize("fs", [0.0, 1.0, 59.9, math.nan, math.inf])
def test_low_rates_have_none(fs: float, records: list[Record]) -> None:
    assert signature(records[0].signal, fs) == b""


def test_array_has_a_row_without_keys_where_there_is_no_signature(
    records: list[Record],
) -> None:
    text = signature(records[0].signal, records[0].fs)
    rows = signature_array([b"", text, b""])
    assert rows[1].tobytes() == text
    assert (rows["places"][[0, 2]] == 65535).all()
    assert signature_array([]).shape == (0,)
