"""A record as a small print of its leads, in few bytes.

The leads stand as on paper, three rows of four with 2.5 s each and one lead in full
length below, on squares of 5 mm: 0.2 s and 0.5 mV. Coordinates are whole tenths of a
millimetre; points that a straight line passes within 0.2 mm are left out.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.plots.ecg.layout import MM_PER_MV, PRINTED_S, TRACE_LEFT, Trace, lay_out
from ecgstore.record import LEADS
from ecgstore.reports.page import EcgPicture

_PER_MM: Final = 10
"""Units of the picture."""

_TOLERANCES: Final = (2.0, 4.0, 8.0, 16.0)
"""Units by which a curve may miss a sample: 0.2 mm, or 20 uV, half of the width of its
line; and more where noise would make the picture large."""

_MOST_BYTES: Final = 13_000
"""Bytes of the curves from which on they miss more."""

_NOISE: Final = 10
"""Units in which only the lowest and the highest sample of mere noise are drawn."""

_SQUARE: Final = 5 * _PER_MM
_WIDTH: Final = int(PRINTED_S * 25 * _PER_MM)
_LEAST_ABOVE: Final = 2
_LEAST_BELOW: Final = 1
_MOST: Final = 6
"""Squares of a row above and below 0 mV, at least and at most."""

_NAME_AT: Final = (8, 54)
"""Place of a name in units, right of the beginning and below the top of its row."""

_SEPARATOR: Final = 30
"""Height of the mark between two leads."""

_Point = tuple[int, int]


def ecg_picture(
    signal: FloatArray,
    fs: float,
    *,
    title: str,
    description: str,
    lines: Sequence[str] = (),
    leads: Sequence[str] = LEADS,
    n_samples: int | None = None,
) -> EcgPicture:
    """Return the picture of a record.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV; NaN where a lead was not recorded.
    fs : float
        Sampling rate in Hz.
    title, description : str
        The record's name, and what the picture shows, for who cannot see it.
    lines : sequence of str
        Texts below the picture.
    leads : sequence of str
        Names of the rows of `signal`.
    n_samples : int, optional
        Samples without padding; all by default.
    """
    traces = lay_out(
        signal, fs, signal.shape[1] if n_samples is None else n_samples, leads
    )
    zeros, height = _rows(traces)
    separators, names = [], []
    curves: list[tuple[FloatArray, FloatArray]] = []
    for trace in traces:
        panel = trace.panel
        top, zero, bottom = zeros[panel.row]
        left = _units(panel.left - TRACE_LEFT)
        names.append((left + _NAME_AT[0], top + _NAME_AT[1], panel.name))
        if left:
            separators.append(f"M{left} {zero - _SEPARATOR // 2}v{_SEPARATOR}")
        x = np.rint((trace.x - TRACE_LEFT) * _PER_MM)
        y = np.clip(zero - trace.mv * MM_PER_MV * _PER_MM, top, bottom)
        curves.append((x, y))
    return EcgPicture(
        title=title,
        description=description,
        lines=lines,
        width=_WIDTH,
        height=height,
        grid=_grid(height),
        separators="".join(separators),
        trace=_trace(curves),
        names=names,
    )


def _units(mm: float) -> int:
    """Return a length in units of the picture."""
    return round(mm * _PER_MM)


def _rows(traces: Sequence[Trace]) -> tuple[list[tuple[int, int, int]], int]:
    """Return the top, the zero line and the bottom of each row, and their height."""
    rows, top = [], 0
    per_mv = MM_PER_MV * _PER_MM / _SQUARE  # squares
    for row in range(traces[-1].panel.row + 1):
        in_row = [trace for trace in traces if trace.panel.row == row]
        above = math.ceil(per_mv * max(trace.highest_mv for trace in in_row))
        below = math.ceil(-per_mv * min(trace.lowest_mv for trace in in_row))
        zero = top + _SQUARE * min(max(above, _LEAST_ABOVE), _MOST)
        bottom = zero + _SQUARE * min(max(below, _LEAST_BELOW), _MOST)
        rows.append((top, zero, bottom))
        top = bottom
    return rows, top


def _grid(height: int) -> str:
    """Return the path of the squares."""
    down = "".join(f"M{x} 0v{height}" for x in range(_SQUARE, _WIDTH, _SQUARE))
    across = "".join(f"M0 {y}h{_WIDTH}" for y in range(_SQUARE, height, _SQUARE))
    return down + across


def _trace(curves: Sequence[tuple[FloatArray, FloatArray]]) -> str:
    """Return the path of all curves, as exact as its size allows."""
    for tolerance in _TOLERANCES:
        path = "".join(_path(x, y, tolerance) for x, y in curves)
        if len(path) <= _MOST_BYTES:
            return path
    return "".join(_path(*_extremes(x, y), 0.0) for x, y in curves)


def _extremes(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest sample of every millimetre."""
    rows: list[int] = []
    for part in np.split(np.arange(len(x)), np.flatnonzero(np.diff(x // _NOISE)) + 1):
        known = part[np.isfinite(y[part])]
        if len(known):
            rows += sorted(
                {int(known[y[known].argmin()]), int(known[y[known].argmax()])}
            )
        else:
            rows.append(int(part[0]))
    return x[rows], y[rows]


def _path(x: FloatArray, y: FloatArray, tolerance: float) -> str:
    """Return a curve as a path of relative steps; it is interrupted where y is NaN."""
    known = np.isfinite(y)
    edges = np.flatnonzero(np.diff(known)) + 1
    return "".join(
        _steps(_corners(x[part], y[part], tolerance))
        for part in np.split(np.arange(len(y)), edges)
        if known[part].any()
    )


def _corners(x: FloatArray, y: FloatArray, tolerance: float) -> list[_Point]:
    """Return few points whose connecting lines miss no sample by the tolerance.

    From the last corner, a line may lead to a sample as long as its slope is among
    those that pass all samples between them; the first sample that ends this makes the
    sample before it a corner.
    """
    columns, rows = np.rint(x).astype(int).tolist(), np.rint(y).astype(int).tolist()
    begin, height = last = columns[0], rows[0]
    corners = [last]
    lowest, highest = -math.inf, math.inf
    for column, row, value in zip(columns, rows, y.tolist(), strict=True):
        distance = column - begin
        if distance:
            if not lowest <= (row - height) / distance <= highest:
                corners.append(last)
                begin, height = last
                distance = column - begin
                lowest, highest = -math.inf, math.inf
            if distance:
                low = (value - tolerance - height) / distance
                high = (value + tolerance - height) / distance
                if low > lowest:
                    lowest = low
                if high < highest:
                    highest = high
                last = column, row
                continue
        if abs(row - height) > tolerance:  # two samples share a tenth of a millimetre
            begin, height = last = column, row
            corners.append(last)
            lowest, highest = -math.inf, math.inf
    if last != corners[-1]:
        corners.append(last)
    return corners


def _steps(points: Sequence[_Point]) -> str:
    """Return points as a path: the first absolute, the others relative."""
    text = [f"M{points[0][0]} {points[0][1]}"]
    numbers: list[int] = []
    for before, point in pairwise(points):
        numbers += [point[0] - before[0], point[1] - before[1]]
    if numbers:
        text.append("l")
        text.append(str(numbers[0]))
        text += [str(one) if one < 0 else f" {one}" for one in numbers[1:]]
    return "".join(text)
