"""Read the array in a CSV file, at a cost in proportion to its size."""

import io
import re
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.array_layout import ArrayLayout
from ecgstore.sources.files import printable, read_start
from ecgstore.sources.library_guard import check_size, guarded

_MOST_CSV_BYTES: Final = 1 << 26
_MOST_VALUES: Final = 1 << 25
"""Values of an array: what a file of that size holds without empty lines and cells."""

_LINE: Final = rb"[^\r\n]*(?:\r\n|\r|\n)"
_WHAT: Final = (
    "a CSV file of numbers, separated by commas and with decimal points, after as many "
    "lines as its description says (header_lines)"
)


def read_csv_array(path: str, layout: ArrayLayout) -> FloatArray:
    """Return the numbers in a CSV file, of shape (n_leads, n_samples).

    A line may be empty if others follow it.

    Raises
    ------
    RecordError
        If the file is too large, has other leads than described, or no numbers.
    """
    check_size(path, _MOST_CSV_BYTES)
    data = read_start(path, _MOST_CSV_BYTES, Reason.UNREADABLE_SIGNAL)[0]
    data = data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    header = re.match(b"(?:%s){%d}" % (_LINE, layout.header_lines), data)
    data = data[header.end() :] if header else b""
    if layout.axes[0] == "lead":
        return _lead_in_a_line(path, data, len(layout.leads))
    return _lead_in_a_column(path, data, len(layout.leads))


def _lead_in_a_column(path: str, data: bytes, n_leads: int) -> FloatArray:
    """Return the numbers in lines of a sample each."""
    end = re.search(rb"[\r\n]|\Z", data)
    n_columns = data.count(b",", 0, end.start() if end else None) + 1
    if n_columns != n_leads:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{printable(path)}: has {n_columns} columns in its first line; expected "
            f"{n_leads}, one for each lead, separated by commas, after the lines of "
            "names (header_lines in the description)",
        )
    _check_values(path, _n_lines(data) * n_leads)
    return guarded(path, Reason.UNREADABLE_SIGNAL, _WHAT, lambda: _parsed(data)).T


def _lead_in_a_line(path: str, data: bytes, n_leads: int) -> FloatArray:
    """Return the numbers in lines of a lead each; shorter ones end with NaN."""
    n_lines = _n_lines(data)
    if n_lines != n_leads:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{printable(path)}: has {n_lines} lines; expected {n_leads}, one for each "
            "lead",
        )
    lines = data.splitlines()
    lengths = [line.count(b",") + 1 for line in lines]
    if max(lengths) > lengths[0]:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{printable(path)}: has {max(lengths)} values in a line; expected at most "
            f"{lengths[0]}, as in the first line",
        )
    _check_values(path, n_lines * lengths[0])

    def call() -> FloatArray:
        # A column costs much more than a line. A further cell keeps empty lines.
        cells = b"\n".join(line.replace(b",", b",0\n") + b",0" for line in lines)
        values, signal = _parsed(cells)[:, 0], np.full((n_lines, lengths[0]), np.nan)
        ends = np.cumsum(lengths)
        for lead, length, last in zip(signal, lengths, ends, strict=True):
            lead[:length] = values[last - length : last]
        return signal

    return guarded(path, Reason.UNREADABLE_SIGNAL, _WHAT, call)


def _n_lines(data: bytes) -> int:
    """Return the number of lines, none of which is made."""
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") + bool(data)


def _check_values(path: str, n_values: int) -> None:
    """Refuse empty lines and cells that take much more memory than their file."""
    if n_values > _MOST_VALUES:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{printable(path)}: has {n_values} values; expected at most "
            f"{_MOST_VALUES}",
        )


def _parsed(data: bytes) -> FloatArray:
    """Return the numbers in a table."""
    import pandas as pd

    table = pd.read_csv(io.BytesIO(data), header=None, skip_blank_lines=False)
    return table.to_numpy(np.float64)
